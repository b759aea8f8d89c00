"""Input for the programs that an interactive run started."""

from __future__ import annotations

import asyncio

from devbench_core.channel.stdin import pieces
from devbench_core.errors import InputUnavailable, ShellIdle, TimedOut
from devbench_core.shells.live import Live
from devbench_core.shells.refusals import elsewhere


async def give(live: Live, data: bytes, within_s: float) -> int:
    """Send bytes and return the cursor of the output before them; raises as `Shells.input` does."""
    shell_id = live.shell.id
    run, stdin, stream = live.shell.run, live.command.stdin, live.command.stream
    if run is None or not run.interactive or stdin is None or stream is None:
        raise ShellIdle(
            f"nothing in shell {shell_id!r} reads an input",
            hint="start the program with an interactive run first",
        )
    try:
        async with asyncio.timeout(within_s), live.input_lock:
            cursor, is_taken = live.command.journal.cut(), True
            for piece in pieces(data):  # one, by the bound
                is_taken = await stdin.add(piece)
    except TimeoutError as error:
        raise TimedOut(
            f"the program in shell {shell_id!r} did not read within {within_s:g} s",
            hint="nothing of this input was sent",
            details={"limit": within_s, "setting": "shells.input_timeout_s"},
        ) from error
    if not is_taken and live.is_left:
        raise elsewhere(live.shell)
    if not is_taken:
        raise InputUnavailable(
            f"shell {shell_id!r} has no input any more; nothing was sent",
            hint="a script closed it or sent it elsewhere, as by `exec <`; open another shell",
            details={"reason": "closed", "accepted_bytes": 0},
        )
    stream.push_stdin()
    live.touch()
    return cursor
