"""Waiting for the first answer of a new shell."""

from __future__ import annotations

import asyncio

from devbench_core.errors import ShellEnded, TimedOut
from devbench_core.model.caller import Caller
from devbench_core.model.shell import Shell
from devbench_core.shells.context import ShellContext
from devbench_core.shells.followed import Followed
from devbench_core.shells.live import Live
from devbench_core.shells.polling import LOOK_EVERY_S
from devbench_core.shells.refusals import elsewhere


async def opened(context: ShellContext, followed: Followed, live: Live, caller: Caller) -> Shell:
    """Return a shell when it answers; raises as `Shells.open` does."""
    within_s = context.limits.open_timeout_s + context.ending_within_s
    deadline_s = context.clock.monotonic_s() + within_s
    try:
        await live.settled(within_s)
    except (asyncio.CancelledError, TimedOut):
        context.execs.end_soon(live.shell.id)
        raise
    shell = live.shell
    while live.is_left and shell.runs[0].ended_at is None:  # another host hears its answer
        if context.clock.monotonic_s() >= deadline_s:
            raise elsewhere(shell)
        await asyncio.sleep(LOOK_EVERY_S)
        shell = await followed.get(shell.id, caller)
    if not shell.runs[0].shell_kept:
        seconds = context.limits.open_timeout_s
        spoke = await context.execs.poll(shell.id, caller=caller)
        words = b"".join([chunk.data for chunk in spoke.chunks]).decode(errors="replace")[:200]
        raise ShellEnded(
            f"shell {shell.id!r} ended before it answered, at most {seconds:g} s after its start: {words}",
            hint="the limit is shells.open_timeout_s",
            details={"exec_id": shell.id},
        )
    context.tell("shell.opened", shell, caller, {"program": shell.program})
    return shell
