"""Follows a command's output to its end, with Ctrl-C passed on as a cancel."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import attrs

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.failures import (
    EXIT_COMMAND_NOT_FOUND,
    EXIT_EXEC_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NOT_EXECUTABLE,
    EXIT_SIGNAL_BASE,
    EXIT_TIMEOUT,
)
from devbench_core.errors import DevbenchError
from devbench_core.tools.base import TEXT_MAX_BYTES
from devbench_core.tools.exec_views import ExecEndingView
from devbench_core.tools.execs import ExecCancelOutput, ExecPollOutput
from devbench_core.tools.pieces import OutputPiece

POLL_WAIT_S = 20.0
"""How long one poll waits for output; a longer silence is only another poll."""
SETTLE_S = 2.0
"""How long output may be on its way: a host that has just opened still fetches what it missed."""
SHOW_MAX_S = 10.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_FAILURES = {"not_found": EXIT_COMMAND_NOT_FOUND, "not_executable": EXIT_NOT_EXECUTABLE}

T = TypeVar("T")
OnPiece = Callable[[OutputPiece], Awaitable[None]]


@attrs.define
class Interruption:
    """The first signal that asked us to stop, 0 for none; and what is put right when a second one ends us."""

    number: int = 0
    happened: asyncio.Event = attrs.field(factory=asyncio.Event)
    before_leaving: Callable[[], object] = attrs.field(default=lambda: None)

    def note(self, number: int) -> None:
        """Note a signal; a second one leaves at once, whatever still waits."""
        if self.happened.is_set():
            self.before_leaving()
            os._exit(EXIT_SIGNAL_BASE + number)
        self.number = number
        self.happened.set()


@asynccontextmanager
async def interruptions() -> AsyncGenerator[Interruption]:
    """Catch signals for the length of a block."""
    loop = asyncio.get_running_loop()
    interruption = Interruption()
    for number in SIGNALS:
        loop.add_signal_handler(number, interruption.note, number)
    try:
        yield interruption
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def unless_interrupted(work: Coroutine[Any, Any, T], interruption: Interruption) -> T | None:
    """Return what some work gives; None when a signal came first and the work was given up."""
    doing = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(interruption.happened.wait())
    try:
        await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        return None
    finally:
        for task in (doing, waiting):
            task.cancel()
        await asyncio.gather(doing, waiting, return_exceptions=True)


async def follow(
    backend: Backend, exec_id: str, on_piece: OnPiece, interruption: Interruption
) -> ExecEndingView:
    """Hand on every piece of output and return the ending; a signal cancels the command.

    Raises:
        BrokenPipeError: Nobody reads our output; the command was cancelled.
        DevbenchError: The output could not be followed.
    """
    canceller = asyncio.create_task(_cancel_when(interruption, backend, exec_id))
    try:
        return await follow_output(backend, exec_id, on_piece)
    except OSError:  # also that of a terminal that is gone
        await _cancel(backend, exec_id)
        raise
    finally:
        canceller.cancel()
        with suppress(asyncio.CancelledError):
            await canceller


async def follow_output(backend: Backend, exec_id: str, on_piece: OnPiece) -> ExecEndingView:
    """Hand on every piece of output in order and return the ending."""
    cursor = 0
    while True:
        page = await _page(backend, exec_id, cursor, on_piece, wait_s=POLL_WAIT_S)
        cursor = page.cursor
        if page.ended and page.ending is not None:
            return page.ending


async def show_output(backend: Backend, exec_id: str, on_piece: OnPiece) -> ExecEndingView | None:
    """Hand on the output that is there now; return the ending when it is there, too.

    A command that writes faster than it is read is shown for `SHOW_MAX_S` only.
    """
    cursor, end_s = 0, time.monotonic() + SHOW_MAX_S
    while True:
        page = await _page(backend, exec_id, cursor, on_piece, wait_s=SETTLE_S)
        cursor = page.cursor
        if page.ended or not page.output or time.monotonic() > end_s:
            return page.ending


async def _page(
    backend: Backend, exec_id: str, cursor: int, on_piece: OnPiece, *, wait_s: float
) -> ExecPollOutput:
    page = await ask(
        backend,
        ExecPollOutput,
        "exec_poll",
        exec_id=exec_id,
        after=cursor,
        max_bytes=TEXT_MAX_BYTES,
        wait_s=wait_s,
    )
    for piece in page.output:
        await on_piece(piece)
    return page


async def _cancel_when(interruption: Interruption, backend: Backend, exec_id: str) -> None:
    await interruption.happened.wait()
    await _cancel(backend, exec_id)


async def _cancel(backend: Backend, exec_id: str) -> None:
    with suppress(DevbenchError):  # it ended meanwhile, or following it will say what is wrong
        await ask(backend, ExecCancelOutput, "exec_cancel", exec_id=exec_id)


def exit_code_of_ending(ending: ExecEndingView, interrupted_by: int = 0) -> int:
    """Return the exit code of an ended command, as a shell would give it.

    Args:
        ending: How it ended.
        interrupted_by: The signal that made us cancel it, 0 for none.
    """
    if ending.reason == "exited" and ending.exit_code is not None:
        return ending.exit_code
    if ending.reason == "signaled" and ending.signal is not None:
        return EXIT_SIGNAL_BASE + ending.signal
    if ending.reason == "cancelled":
        return EXIT_SIGNAL_BASE + interrupted_by if interrupted_by else EXIT_INTERRUPTED
    if ending.reason == "timed_out":
        return EXIT_TIMEOUT
    return START_FAILURES.get(ending.failure, EXIT_EXEC_FAILED)
