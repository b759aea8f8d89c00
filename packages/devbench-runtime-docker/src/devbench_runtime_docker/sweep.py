"""Removes what a former life left on the engine: helpers, workspaces made ahead, agents that nothing uses.

The engine itself refuses to remove a volume that a container has, so a sweep can only be too timid.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from devbench_core.clock import Clock
from devbench_core.contracts.runtime import LABEL_INSTALLATION
from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger
from devbench_runtime_docker.answers import table
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import EngineAnswer
from devbench_runtime_docker.helper import remove_helper
from devbench_runtime_docker.moments import moment
from devbench_runtime_docker.names import (
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_AGENT,
    ROLE_HELPER,
    ROLE_WORKSPACE,
)
from devbench_runtime_docker.owner import is_dead

log = get_logger(__name__)

STALE = timedelta(hours=1)  # longer than any process keeps a workspace on its shelf (prepared_max_age_s)
REMOVED_MAX = 500


class Sweep:
    """Sweeps one engine."""

    def __init__(self, engine: Engine, clock: Clock, installation: str) -> None:
        self._engine = engine
        self._clock = clock
        self._installation = installation

    async def leftovers(self) -> None:
        """Remove helpers and unused workspaces of this installation's dead processes, within the sweep's bound."""
        with contextlib.suppress(TimeoutError, EngineAnswer, DevbenchError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                await self._helpers()
                await self._workspaces()

    async def agents(self, in_use: frozenset[str]) -> None:
        """Remove agents that no container and no process of this version uses, within the sweep's bound."""
        with contextlib.suppress(TimeoutError, EngineAnswer, DevbenchError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                for volume in await self._dangling([f"{LABEL_ROLE}={ROLE_AGENT}"]):
                    if volume["Name"] not in in_use and self._is_old(volume.get("CreatedAt")):
                        await self._remove(volume)

    async def _helpers(self) -> None:
        labels = [f"{LABEL_ROLE}={ROLE_HELPER}", f"{LABEL_INSTALLATION}={self._installation}"]
        found: list[dict[str, Any]] = await self._engine.call(
            "GET", "containers/json", doing="list helpers",
            params={"all": "1", "filters": json.dumps({"label": labels})},
        )  # fmt: skip
        for each in found[:REMOVED_MAX]:
            if await self._is_abandoned(table(each, "Labels"), each.get("Created")):
                await remove_helper(self._engine, str(each["Id"]))

    async def _workspaces(self) -> None:
        labels = [f"{LABEL_ROLE}={ROLE_WORKSPACE}", f"{LABEL_INSTALLATION}={self._installation}"]
        for volume in await self._dangling(labels):
            if await self._is_abandoned(table(volume, "Labels"), volume.get("CreatedAt")):
                await self._remove(volume)

    async def _dangling(self, labels: list[str]) -> list[dict[str, Any]]:
        filters = json.dumps({"label": labels, "dangling": ["true"]})
        found: dict[str, Any] = await self._engine.call(
            "GET", "volumes", doing="list volumes", params={"filters": filters}
        )
        volumes: list[dict[str, Any]] = found.get("Volumes") or []
        return volumes[:REMOVED_MAX]

    async def _is_abandoned(self, labels: dict[str, str], created: object) -> bool:
        owner = labels.get(LABEL_OWNER, "")
        return self._is_old(created) or (bool(owner) and await asyncio.to_thread(is_dead, owner))

    def _is_old(self, created: object) -> bool:
        made = datetime.fromtimestamp(created, UTC) if isinstance(created, int) else moment(created)
        return made is not None and self._clock.now() - made > STALE

    async def _remove(self, volume: dict[str, Any]) -> None:
        name = str(volume["Name"])
        with contextlib.suppress(EngineAnswer):  # a container took it meanwhile
            await self._engine.call("DELETE", f"volumes/{name}", doing="remove a volume")
            log.info("docker.volume_swept", volume=name)
