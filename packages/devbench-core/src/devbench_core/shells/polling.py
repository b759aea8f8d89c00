"""Output of a shell as callers ask for it, with the end of the run that they wait for."""

from __future__ import annotations

import asyncio

from devbench_core.model.caller import Caller
from devbench_core.model.execution import Page
from devbench_core.model.shell import ShellPage
from devbench_core.shells.context import ShellContext
from devbench_core.shells.followed import Followed
from devbench_core.shells.pages import before_report, pause, run_of, shown

LOOK_EVERY_S = 1.0  # how often the end of a run is looked for where another host follows it


class Poller:
    """Polls for `Shells`.

    Args:
        context: The collaborators.
        followed: The shells.
    """

    def __init__(self, context: ShellContext, followed: Followed) -> None:
        self._context = context
        self._followed = followed

    async def poll(
        self, shell_id: str, after: int, run: int | None, max_bytes: int | None, wait_s: float, caller: Caller
    ) -> ShellPage:
        """Return output; raises as `Shells.poll` does."""
        deadline = self._context.clock.monotonic_s() + wait_s
        cursor, clip = after, run is not None
        while True:
            live = self._followed.here(shell_id)
            changed = None if live is None else live.changed
            shell = await self._followed.get(shell_id, caller)
            newest = shell.runs[-1] if shell.runs else None
            if run is None and newest and newest.number and (shell.run or newest.until > after):
                run = newest.number  # its end is news
            rest_s = max(0.0, deadline - self._context.clock.monotonic_s())
            found = run_of(shell, run)
            is_over = shell.ended or (found is not None and found.ended_at is not None and run is not None)
            whole = await self._page(shell_id, cursor, max_bytes, 0.0 if is_over else rest_s, changed, caller)
            page = before_report(whole, found)
            answer = shown(page, found, clip=clip, awaited=run is not None)
            if answer.chunks or answer.complete or answer.ending is not None or not rest_s:
                return answer
            cursor = answer.cursor
            if whole.ending is not None or page is not whole:  # the end of the run is being written down
                await pause(changed, min(rest_s, LOOK_EVERY_S))

    async def _page(
        self,
        shell_id: str,
        after: int,
        max_bytes: int | None,
        wait_s: float,
        changed: asyncio.Event | None,
        caller: Caller,
    ) -> Page:
        """Return output, or nothing as soon as the present run ends."""
        execs = self._context.execs
        if not wait_s:
            return await execs.poll(shell_id, after=after, max_bytes=max_bytes, caller=caller)
        if changed is None:
            wait_s = min(wait_s, LOOK_EVERY_S)
            return await execs.poll(shell_id, after=after, max_bytes=max_bytes, wait_s=wait_s, caller=caller)
        ending = asyncio.create_task(changed.wait())
        reading = asyncio.create_task(
            execs.poll(shell_id, after=after, max_bytes=max_bytes, wait_s=wait_s, caller=caller)
        )
        try:
            await asyncio.wait({ending, reading}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else Page(chunks=(), cursor=after)
        finally:
            ending.cancel()
            reading.cancel()
            await asyncio.gather(ending, reading, return_exceptions=True)
