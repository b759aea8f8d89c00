"""What is the same of every `Runtime` over such an engine; a plugin adds how it creates, pulls and counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from devbench_core.contracts.powers import StartedGuest
from devbench_core.contracts.runtime import LABEL_INSTALLATION, CreateRequest
from devbench_core.contracts.stream import ByteStream
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.calls import EngineCalls, Found
from devbench_core.engines.connecting import Connector
from devbench_core.engines.guests import GuestConnector
from devbench_core.engines.images import EngineImages
from devbench_core.engines.names import LABEL_ROLE, ROLE_CONTAINER, container_name, split_ref
from devbench_core.engines.observe import observed, ref_of, unknown
from devbench_core.engines.removing import Remover
from devbench_core.engines.stash import Stash
from devbench_core.errors import ContainerNotFound, DevbenchError, EngineUnreachable
from devbench_core.logs import get_logger
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed
from devbench_core.model.image import Image

log = get_logger(__name__)

ALREADY = {"pause": "already paused", "unpause": "is not paused"}


class EngineRuntime:
    """One engine; its methods are as the contract says."""

    def __init__(
        self,
        calls: EngineCalls,
        *,
        capabilities: Capabilities,
        create: Callable[[CreateRequest], Awaitable[str]],
        remover: Remover,
        images: EngineImages,
        stash: Stash,
    ) -> None:
        self._calls = calls
        self._capabilities = capabilities
        self._create = create
        self._remover = remover
        self._images = images
        self._stash = stash
        self._connector = Connector(calls, stash, self._show)
        self._guests = GuestConnector(calls, self._connector)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._calls.table

    @property
    def capabilities(self) -> Capabilities:
        """What the engine said when it was opened."""
        return self._capabilities

    async def create(self, request: CreateRequest) -> str:
        """Make a container from the image, a workspace and the agent's volume."""
        return await self._create(request)

    async def start(self, ref: str) -> None:
        """Attach to PID 1, start it, and keep the stream for the first `connect`."""
        shown = await self._show(ref)
        if shown["State"].get("Running"):
            return
        stream = await self._connector.attach(ref)
        try:
            await self._calls.start_container(split_ref(ref)[0])
        except EngineAnswer as answer:
            stream.abort()
            raise self._calls.translate(answer, "start", ref=ref) from answer
        except BaseException:
            stream.abort()
            raise
        self._stash.put(ref, stream)

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """TERM, then KILL; engines count whole seconds, so the grace is rounded up."""
        self._stash.drop(ref)
        try:
            await self._calls.stop_container(split_ref(ref)[0], grace_s)
        except EngineAnswer as answer:
            if answer.status != 404:
                raise self._calls.translate(answer, "stop", ref=ref) from answer

    async def remove(self, ref: str) -> None:
        """Remove the container and its volumes."""
        try:
            await self._remover.remove(ref)
        finally:
            self._stash.drop(ref)  # not before: Docker would be slower to remove it

    async def inspect(self, ref: str) -> Observed:
        """Return what the engine shows."""
        return observed(await self._show(ref))

    async def list(self, installation: str) -> AsyncGenerator[Observed, None]:
        """Iterate over the containers with this installation's label."""
        for row in await self._rows(installation):
            seen = await self._seen(row, installation)
            if seen is not None:
                yield seen

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

    async def pause(self, ref: str) -> None:
        """Freeze; freezing a frozen container does nothing."""
        await self._freeze(ref, "pause")

    async def unpause(self, ref: str) -> None:
        """Thaw; thawing a running container does nothing."""
        await self._freeze(ref, "unpause")

    async def _freeze(self, ref: str, verb: str) -> None:
        try:
            await self._calls.freeze_container(split_ref(ref)[0], verb)
        except EngineAnswer as answer:
            if ALREADY[verb] not in answer.message.lower():
                raise self._calls.translate(answer, verb, ref=ref) from answer

    async def _rows(self, installation: str) -> list[Found]:
        labels = {LABEL_INSTALLATION: installation, LABEL_ROLE: ROLE_CONTAINER}
        try:
            return await self._calls.containers(labels)
        except EngineAnswer as answer:
            raise self._calls.translate(answer, "list containers") from answer

    async def _seen(self, row: Found, installation: str) -> Observed | None:
        """Return what there is to see of a container in a list, None when it is gone or none of ours."""
        try:
            seen = observed(await self._show(row.name))
        except ContainerNotFound:
            return None  # removed since it was listed
        except DevbenchError as error:
            if isinstance(error, EngineUnreachable):
                await self._rows(installation)  # raises, unless it is silent about this container alone
            log.warning("engine.container_not_shown", container=row.name, error=str(error))
            return unknown(row)  # who skipped it would take it for gone
        # an image can carry labels, too
        return seen if split_ref(seen.ref)[0] == container_name(seen.container_id) else None

    async def _show(self, ref: str) -> dict[str, Any]:
        name, workspace = split_ref(ref)
        try:
            shown = await self._calls.show(name)
        except EngineAnswer as answer:
            raise self._calls.translate(answer, "look at", ref=ref) from answer
        if workspace and split_ref(ref_of(shown))[1] != workspace:  # the name was given anew
            raise ContainerNotFound(f"the engine has no container {name!r} with this workspace")
        return shown
