"""Logging: events with fields, through the standard library, so that an embedding program decides where they go.

Modules call `get_logger`; only a program's main calls `configure`. Without it the standard library's own default
holds: warnings and errors go to stderr, one line each.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, WrappedLogger

SECRET_WORDS = ("token", "password", "secret", "authorization", "credential")
HIDDEN = "***"


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field whose name speaks of a secret."""
    return {
        key: HIDDEN if any(w in key.lower() for w in SECRET_WORDS) else value for key, value in event.items()
    }


class _Line:
    """The last processor: makes one line of text, or one JSON object, of an event."""

    def __init__(self) -> None:
        self.as_json = False
        self._json = structlog.processors.JSONRenderer(default=str)
        self._text = structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        if self.as_json:
            return str(self._json(logger, method, event))
        name = event.pop("event", "")
        trace = event.pop("exception", "")
        fields = self._text(logger, method, event) if event else ""
        return f"{name} {fields}".rstrip() + (f"\n{trace}" if trace else "")


_LINE = _Line()
_PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    hide_secrets,
    structlog.processors.format_exc_info,
    _LINE,
)


def get_logger(name: str) -> BoundLogger:
    """Return the logger of a module; its events have a dotted name and fields."""
    logger = logging.getLogger(name)
    wrapped = structlog.wrap_logger(logger, processors=_PROCESSORS, wrapper_class=BoundLogger)
    return cast("BoundLogger", wrapped)


def configure(level: str = "warning", *, stream: TextIO | None = None, as_json: bool = False) -> None:
    """Send log events to a text stream, stderr by default: stdout belongs to results and to protocols.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: Where to.
        as_json: One JSON object a line in the message, for machines.
    """
    _LINE.as_json = as_json
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(message)s" if as_json else "%(asctime)s %(levelname)-7s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
