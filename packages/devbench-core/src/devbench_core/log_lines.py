"""How an event of the log becomes a line: structlog's part of `devbench_core.logs`, imported with the first event."""

from __future__ import annotations

import logging
from typing import cast

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


LINE = _Line()
_PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    hide_secrets,
    structlog.processors.format_exc_info,
    LINE,
)


def wrapped(name: str) -> BoundLogger:
    """Return structlog's logger over the standard library's of this name."""
    logger = logging.getLogger(name)
    return cast(
        "BoundLogger", structlog.wrap_logger(logger, processors=_PROCESSORS, wrapper_class=BoundLogger)
    )
