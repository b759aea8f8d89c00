"""Follows commands for those who subscribed to their output: one task a command, however many subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from devbench_core.errors import DevbenchError, NotFound
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Mark

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
LOOK_S = 30.0
"""One wait for news; how long does not matter, it is begun again."""
RETRY_S = 2.0
"""After the store or the agent failed."""
Ring = Callable[[bool], None]
"""Called with whether the command has ended: nothing follows then."""


@attrs.define(eq=False)
class _Watch:
    """A command that somebody follows."""

    exec_id: str
    caller: Caller
    seen: Mark
    rings: dict[object, Ring] = attrs.field(factory=dict[object, Ring])
    task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        for ring in list(self.rings.values()):
            ring(self.seen.ended)


class Watches:
    """Rings when there is more output, at most every ``every_s``, and once at the end.

    Args:
        bench: Where the commands are; their use case is made when somebody follows one.
        tasks: Owns the tasks.
        every_s: The least time between two rings of a command that goes on.
    """

    def __init__(self, bench: Bench, tasks: asyncio.TaskGroup, *, every_s: float) -> None:
        self._bench = bench
        self._tasks = tasks
        self._every_s = every_s
        self._watches: dict[str, _Watch] = {}

    @property
    def count(self) -> int:
        """How many commands are followed now."""
        return len(self._watches)

    async def follow(self, exec_id: str, caller: Caller, ring: Ring) -> Callable[[], None]:
        """Ring from now on; returns how to stop that, which may be called again and again.

        A command that has ended already rings once, at once: whoever read its output a moment ago hears of its
        end.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
        """
        mark = await self._bench.execs.news(exec_id, seen=None, caller=caller)
        if mark.ended:
            ring(True)
            return _nothing
        watch = self._watches.get(exec_id)
        if watch is None:
            watch = self._watches[exec_id] = _Watch(exec_id, caller, mark)
            watch.task = self._tasks.create_task(self._watch(watch), name=f"watch {exec_id}")
        token = object()
        watch.rings[token] = ring

        def stop() -> None:
            watch.rings.pop(token, None)
            if not watch.rings:
                self._drop(watch)

        return stop

    def close(self) -> None:
        """Follow nothing any longer."""
        for watch in list(self._watches.values()):
            self._drop(watch)

    def _drop(self, watch: _Watch) -> None:
        if self._watches.get(watch.exec_id) is watch:
            del self._watches[watch.exec_id]
        if watch.task is not None:
            watch.task.cancel()

    async def _watch(self, watch: _Watch) -> None:
        try:
            while not watch.seen.ended:
                await self._step(watch)
        finally:
            if self._watches.get(watch.exec_id) is watch:
                del self._watches[watch.exec_id]

    async def _step(self, watch: _Watch) -> None:
        try:
            now = await self._bench.execs.news(
                watch.exec_id, seen=watch.seen, wait_s=LOOK_S, caller=watch.caller
            )
        except NotFound:
            now = attrs.evolve(watch.seen, ended=True)  # it was forgotten together with its container
        except DevbenchError as error:
            log.warning("watch.failed", exec=watch.exec_id, error=error.message)
            await asyncio.sleep(RETRY_S)
            return
        except Exception:  # a store's own fault; an error here would end all that this host watches
            log.exception("watch.failed", exec=watch.exec_id)
            await asyncio.sleep(RETRY_S)
            return
        if now == watch.seen:
            return
        watch.seen = now
        watch.ring()
        if not now.ended:
            await asyncio.sleep(self._every_s)


def _nothing() -> None:
    return None
