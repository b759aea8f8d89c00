"""Logging: events with fields, through the standard library, so that an embedding program decides where they go.

Modules call `get_logger`; only a program's main calls `configure`. Without it the standard library's own default
holds: warnings and errors go to stderr, one line each.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
}
SIGNED = r"(/files/)[\w-]{40,}[\w.-]*"
"""The word of a link: whoever has it can use it."""
QUERY = r"(https?://[^\s?'\"<>\\]*\?)[^\s'\"<>\\]+"
"""What follows an address: a proxy's key, perhaps."""


class _Form:
    """The form of lines that was chosen before the first event."""

    as_json = False


class _Logger:
    """A module's logger, which imports structlog with the first event that is not below the level."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger = logging.getLogger(name)
        self._wrapped: Any = None

    def __getattr__(self, name: str) -> Any:
        level = LEVELS.get(name)
        if level is not None and not self._logger.isEnabledFor(level):
            return _nothing
        if self._wrapped is None:
            from devbench_core import log_lines

            log_lines.LINE.as_json = _Form.as_json
            self._wrapped = log_lines.wrapped(self._name)
        return getattr(self._wrapped, name)


def _nothing(*_args: object, **_fields: object) -> None:
    return None


def get_logger(name: str) -> BoundLogger:
    """Return the logger of a module; its events have a dotted name and fields."""
    return cast("BoundLogger", _Logger(name))


class _Discreet(logging.Formatter):
    """Hides what addresses carry: clients and protocols log them whole, whatever is in them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        line = super().format(record)
        for secret in (SIGNED, QUERY):
            line = re.sub(secret, r"\1***", line)
        return line


def configure(level: str = "warning", *, stream: TextIO | None = None, as_json: bool = False) -> None:
    """Send log events to a text stream, stderr by default: stdout belongs to results and to protocols.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: Where to.
        as_json: One JSON object a line in the message, for machines.
    """
    _Form.as_json = as_json
    if "devbench_core.log_lines" in sys.modules:
        from devbench_core import log_lines

        log_lines.LINE.as_json = as_json
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Discreet("%(message)s" if as_json else "%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
