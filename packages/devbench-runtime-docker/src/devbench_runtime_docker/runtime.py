"""Docker Engine as a `Runtime`."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from devbench_core.contracts.powers import (
    StartedGuest,
    Stats,
    SupportsPause,
    SupportsPull,
    SupportsStats,
    SupportsUsers,
)
from devbench_core.contracts.runtime import LABEL_INSTALLATION, CreateRequest, EngineInfo, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import ContainerNotFound
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed
from devbench_core.model.image import Image, PullProgress, RegistryAuth
from devbench_runtime_docker.connecting import Connector
from devbench_runtime_docker.creating import Creator
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import EngineAnswer, translate
from devbench_runtime_docker.guests import GuestConnector
from devbench_runtime_docker.images import EngineImages
from devbench_runtime_docker.info import engine_info
from devbench_runtime_docker.names import LABEL_ROLE, ROLE_CONTAINER, container_name, split_ref
from devbench_runtime_docker.observe import observed, ref_of
from devbench_runtime_docker.pulls import pull
from devbench_runtime_docker.removing import Remover
from devbench_runtime_docker.stash import Stash
from devbench_runtime_docker.usage import stats_of


class DockerRuntime:
    """One engine. Its methods are as the contract says; opened by `opening.opened`."""

    def __init__(
        self,
        engine: Engine,
        *,
        capabilities: Capabilities,
        info: dict[str, Any],
        creator: Creator,
        remover: Remover,
        images: EngineImages,
        stash: Stash,
    ) -> None:
        self._engine = engine
        self._capabilities = capabilities
        self._info = info
        self._creator = creator
        self._remover = remover
        self._images = images
        self._stash = stash
        self._connector = Connector(engine, stash, self._show)
        self._guests = GuestConnector(engine, self._connector)

    @property
    def name(self) -> str:
        """``docker``."""
        return "docker"

    @property
    def capabilities(self) -> Capabilities:
        """What the engine said when it was opened."""
        return self._capabilities

    async def ping(self) -> EngineInfo:
        """Ask the engine for its version."""
        try:
            answer = await self._engine.call(
                "GET", "version", doing="tell its version", setting="ping_timeout_s"
            )
        except EngineAnswer as error:
            raise translate(error, "tell its version") from error
        return engine_info(answer, self._info, self._engine.api_version)

    async def create(self, request: CreateRequest) -> str:
        """Make a container from the image, a prepared workspace and the agent's volume."""
        return await self._creator.create(request)

    async def start(self, ref: str) -> None:
        """Attach to PID 1, start it, and keep the stream for the first `connect`."""
        shown = await self._show(ref)
        if shown["State"].get("Running"):
            return
        name, _ = split_ref(ref)
        stream = await self._connector.attach(ref)
        try:
            await self._engine.call(
                "POST", f"containers/{name}/start", doing="start a container", setting="start_timeout_s"
            )
        except EngineAnswer as answer:
            stream.abort()
            raise translate(answer, "start", ref=ref) from answer
        except BaseException:
            stream.abort()
            raise
        self._stash.put(ref, stream)

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """TERM, then KILL; Docker counts whole seconds, so the grace is rounded up."""
        self._stash.drop(ref)
        name, _ = split_ref(ref)
        grace = math.ceil(grace_s)
        try:
            await self._engine.call(
                "POST", f"containers/{name}/stop", doing="stop a container", setting="remove_timeout_s",
                extra_s=grace, params={"t": str(grace)},
            )  # fmt: skip
        except EngineAnswer as answer:
            if answer.status != 404:
                raise translate(answer, "stop", ref=ref) from answer

    async def remove(self, ref: str) -> None:
        """Remove container, workspace and the image's own volumes."""
        try:
            await self._remover.remove(ref)
        finally:
            self._stash.drop(ref)  # not before: the engine would be slower to remove it

    async def inspect(self, ref: str) -> Observed:
        """Return what the engine shows."""
        return observed(await self._show(ref))

    async def list(self, installation: str) -> AsyncGenerator[Observed, None]:
        """Iterate over the containers with this installation's label."""
        labels = [f"{LABEL_INSTALLATION}={installation}", f"{LABEL_ROLE}={ROLE_CONTAINER}"]
        params = {"all": "1", "filters": json.dumps({"label": labels})}
        try:
            found: list[dict[str, Any]] = await self._engine.call(
                "GET", "containers/json", doing="list containers", params=params
            )
        except EngineAnswer as answer:
            raise translate(answer, "list containers") from answer
        for each in found:
            try:
                shown = observed(await self._show(str(each["Id"])))
            except ContainerNotFound:
                continue  # removed since it was listed
            if split_ref(shown.ref)[0] == container_name(
                shown.container_id
            ):  # an image can carry labels, too
                yield shown

    async def connect(self, ref: str) -> ByteStream:
        """Return a stream over the agent's socket, else the one that `start` opened, or one over a new bridge."""
        return await self._connector.connect(ref)

    async def start_guest(self, ref: str, user: str) -> StartedGuest:
        """Start the agent as another user, by an exec of its own program."""
        return await self._guests.start(ref, user)

    async def connect_guest(self, ref: str, user: str, handle: str, pid: int) -> ByteStream:
        """Return a stream over that agent's socket, or over a bridge."""
        return await self._guests.connect(ref, user, handle, pid)

    async def resolve_image(self, name: str) -> Image:
        """Look at the engine's image of that name."""
        return await self._images.resolve(name)

    async def images(self) -> tuple[Image, ...]:
        """Return the engine's images."""
        return await self._images.all()

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

    async def pause(self, ref: str) -> None:
        """Freeze; freezing a frozen container does nothing."""
        await self._freeze(ref, "pause", "already paused")

    async def unpause(self, ref: str) -> None:
        """Thaw; thawing a running container does nothing."""
        await self._freeze(ref, "unpause", "is not paused")

    async def _freeze(self, ref: str, verb: str, done_already: str) -> None:
        name, _ = split_ref(ref)
        try:
            await self._engine.call("POST", f"containers/{name}/{verb}", doing=f"{verb} a container")
        except EngineAnswer as answer:
            if done_already not in answer.message.lower():
                raise translate(answer, verb, ref=ref) from answer

    async def _show(self, ref: str) -> dict[str, Any]:
        name, workspace = split_ref(ref)
        try:
            shown: dict[str, Any] = await self._engine.call(
                "GET", f"containers/{name}/json", doing="look at a container"
            )
        except EngineAnswer as answer:
            raise translate(answer, "look at", ref=ref) from answer
        if workspace and split_ref(ref_of(shown))[1] != workspace:  # the name was given anew
            raise ContainerNotFound(f"the engine has no container {name!r} with this workspace")
        return shown


if TYPE_CHECKING:
    _: type[Runtime] = DockerRuntime
    _pull: type[SupportsPull] = DockerRuntime
    _stats: type[SupportsStats] = DockerRuntime
    _pause: type[SupportsPause] = DockerRuntime
    _users: type[SupportsUsers] = DockerRuntime
