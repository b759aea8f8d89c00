"""Tasks whose work could not be done for a reason of the host's."""

from __future__ import annotations

import json

from mcp import types

from devbench_mcp.tasks import clock
from devbench_mcp.tasks.records import Outcome


def failed(message: str) -> Outcome:
    """Return the end of a task that failed, with the error as JSON-RPC carries it."""
    error = {"code": types.INTERNAL_ERROR, "message": message}
    return Outcome(status="failed", message=message, at=clock.now(), payload=json.dumps(error))
