"""Stands in for an engine that does not answer yet: every call tries again, and says so when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from devbench_core.compose.composition import Chosen
from devbench_core.contracts.powers import StartedGuest, users_of
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import CreateRequest, EngineInfo, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed
from devbench_core.model.image import Image

NOTHING = Capabilities(enforces=frozenset())


class SilentRuntime:
    """A runtime whose engine was silent at start-up: opened by the first call that it answers."""

    def __init__(self, chosen: Chosen, context: OpenContext, stack: AsyncExitStack) -> None:
        self._chosen = chosen
        self._context = context
        self._stack = stack
        self._opening = asyncio.Lock()
        self._runtime: Runtime | None = None

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._chosen.provider.name

    @property
    def capabilities(self) -> Capabilities:
        """Nothing, until the engine answered."""
        return self._runtime.capabilities if self._runtime else NOTHING

    async def _real(self) -> Runtime:
        async with self._opening:
            if self._runtime is None:
                async with AsyncExitStack() as attempt:
                    opened = self._chosen.provider.open(self._chosen.settings, self._context)
                    runtime: Runtime = await attempt.enter_async_context(opened)
                    await runtime.ping()
                    self._stack.push_async_exit(attempt.pop_all())
                    self._runtime = runtime
            return self._runtime

    async def ping(self) -> EngineInfo:
        """Ask again."""
        return await (await self._real()).ping()

    async def create(self, request: CreateRequest) -> str:
        """Pass on."""
        return await (await self._real()).create(request)

    async def start(self, ref: str) -> None:
        """Pass on."""
        await (await self._real()).start(ref)

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """Pass on."""
        await (await self._real()).stop(ref, grace_s=grace_s)

    async def remove(self, ref: str) -> None:
        """Pass on."""
        await (await self._real()).remove(ref)

    async def inspect(self, ref: str) -> Observed:
        """Pass on."""
        return await (await self._real()).inspect(ref)

    async def list(self, installation: str) -> AsyncIterator[Observed]:
        """Pass on."""
        async for observed in (await self._real()).list(installation):
            yield observed

    async def connect(self, ref: str) -> ByteStream:
        """Pass on."""
        return await (await self._real()).connect(ref)

    async def start_guest(self, ref: str, user: str) -> StartedGuest:
        """Pass on."""
        return await users_of(await self._real()).start_guest(ref, user)

    async def connect_guest(self, ref: str, user: str, handle: str, pid: int) -> ByteStream:
        """Pass on."""
        return await users_of(await self._real()).connect_guest(ref, user, handle, pid)

    async def resolve_image(self, name: str) -> Image:
        """Pass on."""
        return await (await self._real()).resolve_image(name)

    async def images(self) -> tuple[Image, ...]:
        """Pass on."""
        return await (await self._real()).images()


if TYPE_CHECKING:
    _: type[Runtime] = SilentRuntime
