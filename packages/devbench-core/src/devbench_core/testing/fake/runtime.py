"""A complete runtime without any engine, whose calls fail, wait and get lost as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from devbench_core.contracts.runtime import CreateRequest, EngineInfo, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import EngineUnreachable
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed
from devbench_core.model.image import Image
from devbench_core.model.policy import Clause
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.faults import Faults
from devbench_core.testing.local import LocalRuntime

RuntimeCall = Literal[
    "ping",
    "create",
    "start",
    "stop",
    "remove",
    "inspect",
    "list",
    "connect",
    "resolve_image",
    "images",
]
NO_ISOLATION = "the fake runtime's containers are plain processes on folders of this machine"


class FakeRuntime:
    """A `LocalRuntime` with faults: each container is an agent as a plain process, isolated from nothing.

    Attributes:
        faults: What happens to its calls, and which were made.
        local: What it stands on; looks at and touches containers past the faults and the record.
    """

    def __init__(self, root: Path, clock: FakeClock | None = None) -> None:
        self.faults = Faults[RuntimeCall](RuntimeCall, clock or FakeClock())
        self.local = LocalRuntime(root)

    @property
    def name(self) -> str:
        """``fake``."""
        return "fake"

    @property
    def capabilities(self) -> Capabilities:
        """No clause is enforced."""
        return attrs.evolve(self.local.capabilities, reasons=dict.fromkeys(Clause, NO_ISOLATION))

    async def ping(self) -> EngineInfo:
        """Answer as what it is."""
        async with self.faults.on("ping"):
            info = await self.local.ping()
            return EngineInfo(
                name="fake", version=info.version, details={"isolation": f"none: {NO_ISOLATION}"}
            )

    async def create(self, request: CreateRequest) -> str:
        """Make the folder."""
        async with self.faults.on("create", request):
            return await self.local.create(request)

    async def start(self, ref: str) -> None:
        """Start the agent."""
        async with self.faults.on("start", ref):
            await self.local.start(ref)

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """End the agent and whatever its commands left."""
        async with self.faults.on("stop", ref, grace_s):
            await self.local.stop(ref, grace_s=grace_s)

    async def remove(self, ref: str) -> None:
        """Stop and delete."""
        async with self.faults.on("remove", ref):
            await self.local.remove(ref)

    async def inspect(self, ref: str) -> Observed:
        """Look at the folder and the process."""
        async with self.faults.on("inspect", ref):
            return await self.local.inspect(ref)

    async def list(self, installation: str) -> AsyncIterator[Observed]:
        """Look at all folders."""
        async with self.faults.on("list", installation):
            async for observed in self.local.list(installation):
                yield observed

    async def connect(self, ref: str) -> ByteStream:
        """Connect to the agent's socket."""
        stream: ByteStream | None = None
        try:
            async with self.faults.on("connect", ref):
                stream = await self.local.connect(ref)
        except BaseException:
            if stream is not None:  # nobody else knows of it
                await stream.close()
            raise
        return stream

    async def resolve_image(self, name: str) -> Image:
        """Know the image ``host`` only."""
        async with self.faults.on("resolve_image", name):
            return await self.local.resolve_image(name)

    async def images(self) -> tuple[Image, ...]:
        """Return ``host``."""
        async with self.faults.on("images"):
            return await self.local.images()

    def fall_silent(self) -> None:
        """Let every call fail as if nobody answered."""
        self.faults.fail_all(EngineUnreachable("the engine does not answer"))

    def answer_again(self) -> None:
        """Let no call fail any more."""
        self.faults.clear()


if TYPE_CHECKING:
    _: type[Runtime] = FakeRuntime
