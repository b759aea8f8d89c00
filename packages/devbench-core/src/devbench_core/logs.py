"""Logging: events with fields. Only a program's main calls `configure`."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

SECRET_WORDS = ("token", "password", "secret", "authorization", "credential")
HIDDEN = "***"


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field whose name speaks of a secret."""
    return {
        key: HIDDEN if any(w in key.lower() for w in SECRET_WORDS) else value for key, value in event.items()
    }


def configure(level: str = "warning", *, stream: TextIO | None = None, as_json: bool = False) -> None:
    """Send log events to a text stream, stderr by default: stdout belongs to results and to protocols.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: Where to.
        as_json: One JSON object a line, for machines.
    """
    target = stream or sys.stderr
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=target.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
