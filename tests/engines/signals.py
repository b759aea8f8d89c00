"""Interrupts: as an exception, put off where they would lose a child, and ignored while cleaning up."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TerminatedError(KeyboardInterrupt):
    """We alone were told to end, not our child: Ctrl-C reaches a whole group, a signal to a process does not."""


def install() -> None:
    """Turn SIGTERM and SIGHUP into an exception, as SIGINT is one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)


@contextmanager
def deferred() -> Generator[None]:
    """Put interrupts off until the end of the block, so that a child started in it is always known."""
    pending: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        pending.append(number)

    before = {number: signal.signal(number, remember) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if pending:
        raise KeyboardInterrupt if pending[0] == signal.SIGINT else TerminatedError


@contextmanager
def ignored() -> Generator[None]:
    """Let nothing cut the cleaning up short; it has bounds of its own."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise TerminatedError
