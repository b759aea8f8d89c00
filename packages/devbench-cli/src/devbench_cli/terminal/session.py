"""Following a command that is typed at: its output, our input, our terminal's size, and the ways to leave it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any

import attrs

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.following import Interruption, OnPiece, follow
from devbench_cli.terminal.keys import DetachKeys
from devbench_cli.terminal.local import raw_mode, size
from devbench_cli.terminal.typing import Typist
from devbench_core.tools.exec_views import ExecEndingView
from devbench_core.tools.execs import ExecResizeOutput

LEAVE_WAIT_S = 1.0
"""How long leaving waits for a command that does not read what was typed before."""


@attrs.frozen(kw_only=True)
class Session:
    """How a command is followed.

    Attributes:
        tty: It has a terminal, whose size follows ours.
        interactive: Our stdin is passed on; with ``tty`` our terminal is in raw mode meanwhile.
        detach_keys: What leaves it; only looked for at a terminal.
    """

    tty: bool
    interactive: bool
    detach_keys: bytes = b""


@attrs.frozen(kw_only=True)
class Left:
    """How a session ended.

    Attributes:
        ending: The command's; None when it was left and runs on.
        signal: The number of the signal that made us end it, 0 for none.
    """

    ending: ExecEndingView | None
    signal: int = 0


async def follow_session(
    backend: Backend, exec_id: str, session: Session, on_piece: OnPiece, interruption: Interruption
) -> Left:
    """Follow a command to its end, or until it is left. A signal, or the end of our terminal, ends it.

    Raises:
        DevbenchError: It could not be followed or typed at.
    """
    mode = raw_mode() if session.tty and session.interactive else nullcontext()
    with mode as raw:
        if raw is not None:
            interruption.before_leaving = raw.restore
        with _sizes(session) as resized:
            return await _follow(backend, exec_id, session, on_piece, interruption, resized)


@contextmanager
def _sizes(session: Session) -> Generator[asyncio.Event]:
    """Give an event that is set whenever our terminal has another size."""
    loop, resized = asyncio.get_running_loop(), asyncio.Event()
    if session.tty:
        loop.add_signal_handler(signal.SIGWINCH, resized.set)
        resized.set()  # it may have become another one before anybody listened
    try:
        yield resized
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


async def _follow(
    backend: Backend,
    exec_id: str,
    session: Session,
    on_piece: OnPiece,
    interruption: Interruption,
    resized: asyncio.Event,
) -> Left:
    typist = Typist(backend, exec_id, DetachKeys(session.detach_keys if session.tty else b""))
    output = asyncio.create_task(follow(backend, exec_id, on_piece, interruption))
    leaving = asyncio.create_task(typist.left.wait())
    typing = asyncio.create_task(typist.run()) if session.interactive else None
    sizing = asyncio.create_task(_resize(backend, exec_id, resized)) if session.tty else None
    helpers: list[asyncio.Task[Any]] = [task for task in (leaving, typing, sizing) if task is not None]
    pending: set[asyncio.Task[Any]] = {output, *helpers}
    try:
        while True:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if output in done:
                return Left(ending=output.result(), signal=interruption.number)
            for task in done:
                task.result()
            if leaving in done:
                if typing is not None:  # what was typed before is still passed on
                    await asyncio.wait([typing], timeout=LEAVE_WAIT_S)
                return Left(ending=None)
    finally:
        for task in (output, *helpers):
            task.cancel()
        await asyncio.gather(output, *helpers, return_exceptions=True)


async def _resize(backend: Backend, exec_id: str, resized: asyncio.Event) -> None:
    while True:
        await resized.wait()
        resized.clear()
        now: dict[str, Any] = dict(size())
        await ask(backend, ExecResizeOutput, "exec_resize", exec_id=exec_id, **now)
