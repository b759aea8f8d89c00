"""Podman as a `Runtime`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from devbench_core.contracts.powers import Stats, SupportsPause, SupportsPull, SupportsStats, SupportsUsers
from devbench_core.contracts.runtime import EngineInfo, Runtime
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.images import EngineImages
from devbench_core.engines.names import split_ref
from devbench_core.engines.removing import Remover
from devbench_core.engines.runtime import EngineRuntime
from devbench_core.engines.stash import Stash
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.image import PullProgress, RegistryAuth
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.creating import Creator
from devbench_runtime_podman.engine import Engine
from devbench_runtime_podman.info import engine_info
from devbench_runtime_podman.pulls import pull

NANO = 1_000_000_000
NO_STATISTICS = "only available for cgroup v2"


class PodmanRuntime(EngineRuntime):
    """One service; opened by `opening.opened`."""

    def __init__(
        self,
        engine: Engine,
        *,
        capabilities: Capabilities,
        info: dict[str, Any],
        creator: Creator,
        remover: Remover,
        stash: Stash,
    ) -> None:
        super().__init__(
            PodmanCalls(engine),
            capabilities=capabilities,
            create=creator.create,
            remover=remover,
            images=EngineImages(engine.image, engine.images),
            stash=stash,
        )
        self._engine = engine
        self._info = info

    async def ping(self) -> EngineInfo:
        """Ask the service for its version."""
        return engine_info(await self._engine.version(), self._info)

    def pull(self, name: str, auth: RegistryAuth | None) -> AsyncGenerator[PullProgress, None]:
        """Have Podman fetch an image."""
        return pull(self._engine, name, auth)

    async def stats(self, ref: str) -> Stats:
        """Return the present usage; nothing is told of a rootless container without control groups of version 2."""
        name, _ = split_ref(ref)
        params = {"containers": name, "stream": "false"}
        try:
            told = await self._engine.call(
                "GET", "containers/stats", doing="tell what a container uses", params=params
            )
        except EngineAnswer as answer:
            if NO_STATISTICS in answer.message:
                await self._show(ref)  # of one that is absent, too
                return Stats()
            raise self._calls.translate(answer, "tell what is used by", ref=ref) from answer
        found: list[dict[str, Any]] = told.get("Stats") or []
        if not found:
            await self._show(ref)  # of one that is absent some versions tell nothing, with success
        used = found[0] if found else {}
        nano = used.get("CPUNano")
        return Stats(
            memory_bytes=used.get("MemUsage"),
            cpu_s=nano / NANO if nano is not None else None,
            pids=used.get("PIDs"),
        )


if TYPE_CHECKING:
    _: type[Runtime] = PodmanRuntime
    _pull: type[SupportsPull] = PodmanRuntime
    _stats: type[SupportsStats] = PodmanRuntime
    _pause: type[SupportsPause] = PodmanRuntime
    _users: type[SupportsUsers] = PodmanRuntime
