"""Removals that the engine did not confirm: tried again until it does.

A helper container holds its volumes. One that stays because the connection broke while it was removed keeps every
container that is given such a volume from being removed, for as long as this process lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from devbench_core.clock import Clock
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.calls import EngineCalls
from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger
from devbench_core.values import frozen

log = get_logger(__name__)
FIRST_PAUSE_S = 0.1
PENDING_MAX = 10_000
AT_ONCE, LAST_TRIES = 4, 5
SHOWN_MAX = 20
USUAL = frozenset({404, 409})
"""Absent, and in use."""


@frozen
class _Removal:
    """One thing that is to go.

    Attributes:
        name: Its name, or its id.
        remove: Does it.
        late_until_s: Until when the engine may still make it, by the monotonic clock: before then, that it is absent
            proves nothing.
    """

    name: str
    remove: Callable[[str], Awaitable[None]]
    late_until_s: float


class Removals:
    """Removes helpers and volumes, at once or as soon as the engine lets it.

    Args:
        engine: Where they are.
        clock: Where time comes from.
        tasks: Own the removals that are tried again.
    """

    def __init__(self, engine: EngineCalls, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self._engine = engine
        self._clock = clock
        self._tasks = tasks
        self._pending: dict[str, _Removal] = {}
        self._insisting: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    async def helper(self, container: str) -> None:
        """Remove a helper container. Returns after one try; where that fails, others follow in the background.

        Args:
            container: Its name or id.
        """
        removal = self._removal(container, self._engine.remove_container)
        is_gone = False
        try:
            is_gone = await self._is_gone(removal)
        finally:  # whoever waits for this may be cancelled
            if not is_gone:
                self._later(removal)

    def take_back(self, *volumes: str, helper: str = "", may_come: bool = False) -> None:
        """Remove volumes, and a helper that may have them, in the background; what a container has follows that.

        Args:
            volumes: Their names.
            helper: The container's name.
            may_come: Whether the engine was asked to make them and did not answer, so that they may come within
                ``fill_timeout_s``.
        """
        if helper:
            self._later(self._removal(helper, self._engine.remove_container, may_come=may_come))
        for name in volumes:
            self._later(self._removal(name, self._engine.remove_volume, may_come=may_come))

    async def close(self) -> None:
        """Try what is left some more times, within the sweep's bound; the rest is for a next process's sweep."""
        self._closed = True
        for task in self._insisting:
            task.cancel()
        left = list(self._pending.values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                for number in range(LAST_TRIES):
                    await asyncio.sleep(FIRST_PAUSE_S * number)
                    left = [each for each in left if not await self._is_gone(each)]
                    if not left:
                        return
        log.warning("engine.removals_left", names=[each.name for each in left][:SHOWN_MAX], count=len(left))

    def _removal(
        self, name: str, remove: Callable[[str], Awaitable[None]], *, may_come: bool = False
    ) -> _Removal:
        late_s = self._engine.settings.fill_timeout_s if may_come else 0.0
        return _Removal(name=name, remove=remove, late_until_s=self._clock.monotonic_s() + late_s)

    def _later(self, removal: _Removal) -> None:
        if removal.name in self._pending:
            return
        if self._closed or len(self._pending) >= PENDING_MAX:
            log.warning("engine.removal_given_up", name=removal.name)
            return
        self._pending[removal.name] = removal
        task = self._tasks.create_task(self._insist(removal), name=f"remove {removal.name}")
        self._insisting.add(task)
        task.add_done_callback(self._insisting.discard)

    async def _insist(self, removal: _Removal) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            async with self._turn:
                is_gone = await self._is_gone(removal)
            left_s = removal.late_until_s - self._clock.monotonic_s()
            if is_gone and left_s <= 0:
                break
            await asyncio.sleep(left_s if is_gone else pause_s)
            pause_s = min(2 * pause_s, self._engine.settings.removal_retry_s)
        del self._pending[removal.name]

    async def _is_gone(self, removal: _Removal) -> bool:
        try:
            await removal.remove(removal.name)
        except EngineAnswer as answer:
            if answer.status not in USUAL:  # it may be for ever: somebody must see it
                log.warning("engine.removal_refused", name=removal.name, status=answer.status)
            return answer.status == 404
        except DevbenchError as error:
            log.info("engine.removal_postponed", name=removal.name, error=str(error))
            return False
        except Exception:  # of a client's library, on a connection that breaks: no reason to end the host
            log.exception("engine.removal_failed", name=removal.name)
            return False
        return True
