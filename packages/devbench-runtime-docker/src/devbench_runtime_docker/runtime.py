"""Docker Engine as a `Runtime`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from devbench_core.contracts.powers import Stats, SupportsPause, SupportsPull, SupportsStats, SupportsUsers
from devbench_core.contracts.runtime import EngineInfo, Runtime
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.failures import translate
from devbench_core.engines.images import EngineImages
from devbench_core.engines.names import split_ref
from devbench_core.engines.removing import Remover
from devbench_core.engines.runtime import EngineRuntime
from devbench_core.engines.stash import Stash
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.image import PullProgress, RegistryAuth
from devbench_runtime_docker.calls import DockerCalls
from devbench_runtime_docker.creating import Creator
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.info import engine_info
from devbench_runtime_docker.pulls import pull
from devbench_runtime_docker.usage import stats_of


class DockerRuntime(EngineRuntime):
    """One engine; opened by `opening.opened`."""

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
            DockerCalls(engine),
            capabilities=capabilities,
            create=creator.create,
            remover=remover,
            images=EngineImages(engine.image, engine.images),
            stash=stash,
        )
        self._engine = engine
        self._info = info

    async def ping(self) -> EngineInfo:
        """Ask the engine for its version."""
        try:
            answer = await self._engine.call(
                "GET", "version", doing="tell its version", setting="ping_timeout_s"
            )
        except EngineAnswer as error:
            raise translate(error, "tell its version") from error
        return engine_info(answer, self._info, self._engine.api_version)

    def pull(self, name: str, auth: RegistryAuth | None) -> AsyncGenerator[PullProgress, None]:
        """Have the engine fetch an image."""
        return pull(self._engine, name, auth)

    async def stats(self, ref: str) -> Stats:
        """Return the present usage; Docker 20.10 takes a second or two for it."""
        name, _ = split_ref(ref)
        params = {"stream": "0", "one-shot": "1"}
        try:
            answer = await self._engine.call(
                "GET", f"containers/{name}/stats", doing="tell what a container uses", params=params
            )
        except EngineAnswer as error:
            raise translate(error, "tell what is used by", ref=ref) from error
        return stats_of(answer)


if TYPE_CHECKING:
    _: type[Runtime] = DockerRuntime
    _pull: type[SupportsPull] = DockerRuntime
    _stats: type[SupportsStats] = DockerRuntime
    _pause: type[SupportsPause] = DockerRuntime
    _users: type[SupportsUsers] = DockerRuntime
