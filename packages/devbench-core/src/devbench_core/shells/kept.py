"""A shell's record, as this host has it and as the store does."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import attrs

from devbench_core.errors import Conflict, DevbenchError, ShellNotFound
from devbench_core.logs import get_logger
from devbench_core.model.shell import RunReason, Shell
from devbench_core.shells import records
from devbench_core.shells.context import ShellContext, owner

log = get_logger(__name__)
STORE_RETRY_FIRST_S = 0.05
STORE_RETRY_MAX_S = 5.0


class Kept:
    """One shell's record.

    Args:
        context: The collaborators.
        shell: As it is in the store.
    """

    def __init__(self, context: ShellContext, shell: Shell) -> None:
        self.shell = shell
        self._context = context
        self.is_behind = False  # another host went on with it, or it was removed
        self._unsent: set[str] = set()  # secrets of runs that may be recorded, and were not sent

    @property
    def is_doubtful(self) -> bool:
        """Whether the store may have a run that was not sent."""
        return bool(self._unsent)

    async def save(self, **changes: object) -> bool:
        """Write changes; return whether this write, of all hosts' and tasks', noted the end of the shell."""
        was_ended = self.shell.ended
        self.shell = await records.save(self._context.store, attrs.evolve(self.shell, **changes))
        return self.shell.ended and not was_ended

    async def save_surely(self, changes: dict[str, object]) -> bool:
        """Write an end down, however long the store refuses; the run counts as going on until then.

        Given up when it falls behind: another host saw to that end.

        Returns:
            Whether it was this host that noted the end of the shell.
        """
        pause, is_doubtful = STORE_RETRY_FIRST_S, False
        while True:
            try:
                is_over = await self.save(**changes)
            except Conflict:
                await self._reload()
                if self.is_behind:
                    return False
            except DevbenchError as error:
                is_doubtful = True  # it may be in the store nevertheless
                log.warning("shell.not_recorded", shell=self.shell.id, error=error.message)
            except Exception:  # a store's own fault; an error here would end all of this host's tasks
                is_doubtful = True
                log.exception("shell.not_recorded", shell=self.shell.id)
            else:
                return is_over or (is_doubtful and self.shell.ended)
            await asyncio.sleep(pause)
            pause = min(2 * pause, STORE_RETRY_MAX_S)

    async def record(self, changes: dict[str, object]) -> None:
        """Write a run down before it is sent: the next host must know what it waits for.

        Until `sent` is told, `take_back` finds it there and ends it as lost.
        """
        self._unsent.add(str(changes["secret"]))
        try:
            await self.save(**changes)
        except Exception:
            # It may be in the store nevertheless. What the store refuses now is done before the next run.
            with suppress(DevbenchError):
                await self.take_back()
            raise

    def sent(self) -> None:
        """The run that was recorded is on its way."""
        self._unsent.clear()

    async def take_back(self) -> None:
        """Take over what the store has; a run that this host recorded there and did not send is lost.

        Raises:
            Conflict: Another host changes it.
            StoreFailed: It cannot be read or written.
        """
        found = await records.load(self._context.store, self.shell.id, owner(self.shell))
        run = found.run
        if run is None:
            self.shell = found
        elif found.secret in self._unsent:
            lost = attrs.evolve(
                run,
                until=run.after,
                ended_at=self._context.clock.now(),
                reason=RunReason.LOST,
                shell_kept=True,
            )
            self.shell = await records.save(
                self._context.store,
                attrs.evolve(found, runs=(*found.runs[:-1], lost), secret="", sent_bytes=found.sent_before),
            )
            self._unsent.clear()
        else:
            self.is_behind = True

    async def _reload(self) -> None:
        try:
            found = await records.load(self._context.store, self.shell.id, owner(self.shell))
        except ShellNotFound:
            self.is_behind = True
        except Exception:  # also a store's own fault; whoever needs it tries again
            log.exception("shell.not_read_again", shell=self.shell.id)
        else:
            self.is_behind = found.runs[-1].number != self.shell.runs[-1].number
            known = attrs.evolve(self.shell, revision=found.revision, ended=found.ended)
            self.shell = found if self.is_behind else known
