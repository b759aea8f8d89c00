"""Ending and removing a container and its volumes, however much of them is left."""

from __future__ import annotations

import asyncio

from devbench_core.clock import Clock
from devbench_core.errors import EngineFailed
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import EngineAnswer, translate
from devbench_runtime_docker.names import split_ref, volumes_of

RETRY_S = 0.05
SETTING = "remove_timeout_s"


class Remover:
    """Removes containers of one engine."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def remove(self, ref: str) -> None:
        """Remove a container by one call, then its volumes; what is absent is fine.

        Raises:
            EngineFailed: The engine keeps one of them.
            EngineUnreachable: It did not answer.
        """
        name, _ = split_ref(ref)
        await self._until_gone(f"containers/{name}", {"force": "1", "v": "1"}, ref)
        for volume in volumes_of(ref):
            await self._until_gone(f"volumes/{volume}", {}, ref)

    async def _until_gone(self, path: str, params: dict[str, str], ref: str) -> None:
        deadline = self._clock.monotonic_s() + self._engine.settings.remove_timeout_s
        while True:
            try:
                await self._engine.call(
                    "DELETE", path, doing="remove a container", setting=SETTING, params=params
                )
            except EngineAnswer as answer:
                if answer.status == 404:
                    return
                # 409: another call is removing it just now, and the engine holds the volume as long.
                if answer.status != 409:
                    raise translate(answer, "remove", ref=ref) from answer
                if self._clock.monotonic_s() > deadline:
                    raise EngineFailed(
                        f"Docker still keeps {path!r}: {answer.message}",
                        hint=f"plugin.docker.{SETTING} is the bound",
                    ) from answer
            else:
                return
            await asyncio.sleep(RETRY_S)
