"""Ending and removing a container and its volumes, however much of them is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from devbench_core.clock import Clock
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.calls import EngineCalls
from devbench_core.engines.names import split_ref, volumes_of
from devbench_core.engines.removals import Removals
from devbench_core.errors import EngineFailed

RETRY_S = 0.05
SETTING = "remove_timeout_s"


class Remover:
    """Removes containers of one engine.

    Args:
        engine: Where they are.
        clock: Where time comes from.
        removals: Goes on with volumes whose container may be gone when it is asked for again: then nobody else knows
            their names, where the ref was never recorded.
    """

    def __init__(self, engine: EngineCalls, clock: Clock, removals: Removals) -> None:
        self._engine = engine
        self._clock = clock
        self._removals = removals

    async def remove(self, ref: str) -> None:
        """Remove a container by one call, then its volumes; what is absent is fine.

        Raises:
            EngineFailed: The engine keeps one of them. The volumes follow later in this and in the next case.
            EngineUnreachable: It did not answer.
        """
        name, _ = split_ref(ref)
        volumes = volumes_of(ref)
        try:
            await self._until_gone(self._engine.remove_container, name, ref)
            for volume in volumes:
                await self._until_gone(self._engine.remove_volume, volume, ref)
        except BaseException:
            self._removals.take_back(*volumes)
            raise

    async def _until_gone(self, remove: Callable[[str], Awaitable[None]], name: str, ref: str) -> None:
        deadline = self._clock.monotonic_s() + self._engine.settings.remove_timeout_s
        while True:
            try:
                return await remove(name)
            except EngineAnswer as answer:
                if answer.status == 404:
                    return None
                # 409: another call is removing it just now, and the engine holds the volume as long.
                if answer.status != 409:
                    raise self._engine.translate(answer, "remove", ref=ref) from answer
                if self._clock.monotonic_s() > deadline:
                    raise EngineFailed(
                        f"the engine still keeps {name!r}: {answer.message}",
                        hint=f"plugin.{self._engine.table}.{SETTING} is the bound",
                    ) from answer
            await asyncio.sleep(RETRY_S)
