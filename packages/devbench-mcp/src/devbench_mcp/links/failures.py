"""Errors of the core as HTTP answers."""

from __future__ import annotations

import json

from starlette.responses import Response

from devbench_core.errors import (
    ArchiveRefused,
    ContainerExited,
    DevbenchError,
    FileConflict,
    FileFailed,
    NotFound,
    PathOutside,
    TimedOut,
    TooLarge,
    Unauthorised,
    ValidationFailed,
    Vetoed,
)
from devbench_core.tools.payload import error_payload

STATUS: tuple[tuple[type[DevbenchError], int], ...] = (
    (NotFound, 404),
    (FileConflict, 412),
    (TooLarge, 413),
    (PathOutside, 403),
    (Unauthorised, 403),
    (Vetoed, 403),
    (ValidationFailed, 400),
    (ContainerExited, 410),
    (FileFailed, 422),
    (ArchiveRefused, 422),
    (TimedOut, 504),
)
"""By class; whatever else fails is 503 when a retry may help, else 500."""


def status_of(error: DevbenchError) -> int:
    """Return the HTTP status of an error."""
    for kind, status in STATUS:
        if isinstance(error, kind):
            return status
    return 503 if error.retry else 500


def answer(error: DevbenchError, status: int | None = None) -> Response:
    """Return an error as the body that tools give, with its status."""
    body = json.dumps({"error": error_payload(error)})
    return Response(body, status or status_of(error), media_type="application/json")
