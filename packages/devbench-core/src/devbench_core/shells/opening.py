"""Waiting for the first answer of a new shell."""

from __future__ import annotations

import asyncio

from devbench_core.errors import ShellEnded, TimedOut
from devbench_core.model.caller import Caller
from devbench_core.model.shell import Shell
from devbench_core.shells.context import ShellContext
from devbench_core.shells.live import Live


async def opened(context: ShellContext, live: Live, caller: Caller) -> Shell:
    """Return a shell when it answers; raises as `Shells.open` does."""
    try:
        await live.settled(context.limits.open_timeout_s + context.ending_within_s)
    except (asyncio.CancelledError, TimedOut):
        context.execs.end_soon(live.shell.id)
        raise
    run = live.shell.runs[-1]
    if not run.shell_kept:
        seconds = context.limits.open_timeout_s
        spoke = await context.execs.poll(live.shell.id, caller=caller)
        words = b"".join([chunk.data for chunk in spoke.chunks]).decode(errors="replace")[:200]
        raise ShellEnded(
            f"shell {live.shell.id!r} ended before it answered, at most {seconds:g} s after its start: {words}",
            hint="the limit is shells.open_timeout_s",
            details={"exec_id": live.shell.id},
        )
    context.tell("shell.opened", live.shell, caller, {"program": live.shell.program})
    return live.shell
