"""Which shells this host follows, and what the store says of the others."""

from __future__ import annotations

from math import inf

import attrs

from devbench_core.contracts.store import Remove
from devbench_core.errors import Conflict, ExecNotFound, ExecPurged
from devbench_core.execs.run import Run
from devbench_core.model.caller import Caller
from devbench_core.model.shell import Shell
from devbench_core.shells import records
from devbench_core.shells.closing import ENDED_ALONE, Closing
from devbench_core.shells.context import ShellContext, owner
from devbench_core.shells.endings import ended_run
from devbench_core.shells.follow import Follower
from devbench_core.shells.live import Live
from devbench_core.shells.refusals import elsewhere, over


class Followed:
    """Shells as they stand, and those that this host follows.

    Args:
        context: The collaborators.
    """

    def __init__(self, context: ShellContext) -> None:
        self._context = context
        self._lives: dict[str, Live] = {}

    def here(self, shell_id: str) -> Live | None:
        """Return a shell that this host follows already."""
        return self._lives.get(shell_id)

    async def begin(self, shell: Shell, caller: Caller) -> Live:
        """Write a new shell down, follow it, and wait for nothing but that it was asked to answer."""
        command = await self._context.execs.followed(shell.id, caller=caller)
        if command is None:
            raise elsewhere(shell)
        live = self._follow(await records.save(self._context.store, shell), command)
        await live.begin("", timeout_s=self._context.limits.open_timeout_s, interactive=False)
        return live

    async def get(self, shell_id: str, caller: Caller) -> Shell:
        """Return the record of a shell, open or ended.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
        """
        live = self._lives.get(shell_id)
        shell = await records.load(self._context.store, shell_id, caller) if live is None else live.shell
        if shell.tenant != caller.tenant:
            raise records.not_found(shell_id)
        if shell.ended:
            return shell
        if await self._is_over(shell) and (live is None or live.shell.run is None):
            return await self.note_end(shell)
        if live is None and shell.run is not None:  # its host may have died: somebody must see to its end
            live = await self.adopt(shell)
        return shell if live is None else live.shell

    async def of_container(self, container_id: str, caller: Caller, *, ended: bool) -> tuple[Shell, ...]:
        """Return a container's shells, the oldest first."""
        terms = [f"container={container_id}", *([] if ended else [records.LIVE])]
        shells = [
            await self.get(each.id, caller) async for each in records.all_of(self._context.store, *terms)
        ]
        return tuple(sorted([each for each in shells if ended or not each.ended], key=lambda s: s.created_at))

    async def live(self, shell_id: str, caller: Caller) -> Live:
        """Return a shell that this host follows; one of a dead host is taken over.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
            ShellEnded: It has.
            ShellElsewhere: Another living host follows it.
        """
        shell = await self.get(shell_id, caller)
        if shell.ended:
            raise over(shell)
        live = self._lives.get(shell_id) or await self.adopt(shell)
        if live is None:
            raise elsewhere(shell)
        live.touch()
        return live

    async def adopt(self, shell: Shell) -> Live | None:
        """Follow a shell from now on; None when another living host does."""
        command = await self._context.execs.followed(shell.id, caller=owner(shell))
        if command is None:
            return None
        known = self._lives.get(shell.id)
        if known is not None:
            return known
        return self._follow(shell, command)

    async def note_end(self, shell: Shell, closing: Closing = ENDED_ALONE) -> Shell:
        """Write down that the command which a shell is has ended, and so has a run that nobody followed to its end."""
        live = self._lives.get(shell.id)
        try:
            if live is not None:
                await live.end()
                return live.shell
            runs, run = shell.runs, shell.run
            if run is not None:
                outcome = await Follower(self._context, shell, run, None, inf).rest()
                runs = (*runs[:-1], ended_run(run, outcome, self._context))
            gone = attrs.evolve(shell, runs=runs, ended=True, secret="")
            gone = await records.save(self._context.store, gone)
        except Conflict:
            self._lives.pop(shell.id, None)
            return await records.load(self._context.store, shell.id, owner(shell))
        closing.tell(self._context, gone)
        return gone

    async def forget(self, container_id: str) -> None:
        """Remove the records of a container's shells. Safe to repeat."""
        async for shell in records.all_of(self._context.store, f"container={container_id}"):
            self._lives.pop(shell.id, None)
            await self._context.store.apply(Remove(kind=records.KIND, key=shell.id))

    def close(self) -> None:
        """Follow no shell any longer. They run on."""
        for live in self._lives.values():
            live.stop()
        self._lives.clear()

    def _follow(self, shell: Shell, command: Run) -> Live:
        live = self._lives[shell.id] = Live(self._context, shell, command, self._over)
        return live

    def _over(self, live: Live) -> None:
        if self._lives.get(live.shell.id) is live:
            del self._lives[live.shell.id]

    async def _is_over(self, shell: Shell) -> bool:
        """Tell whether the command which a shell is has ended; only one that has is purged."""
        try:
            return (await self._context.execs.get(shell.id, caller=owner(shell))).ending is not None
        except (ExecPurged, ExecNotFound):
            return True
