"""Running containers with an open channel, for tests of runtimes."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from devbench_core.channel.channel import AgentChannel
from devbench_core.contracts.runtime import CreateRequest, Runtime
from devbench_core.testing.inside import Outcome, run

Requests = Callable[..., Awaitable[CreateRequest]]
"""Makes a request for a container."""


@dataclass(frozen=True)
class Living:
    """A running container with an open channel."""

    ref: str
    token: bytes
    channel: AgentChannel

    async def run(self, *argv: str) -> Outcome:
        """Run a command to its end."""
        return await run(self.channel, *argv)

    async def shell(self, script: str) -> str:
        """Return what a script of a shell said."""
        return (await self.run("/bin/sh", "-c", script)).text


@dataclass(frozen=True)
class Live:
    """Makes containers and opens channels to them; the container stays when the block ends."""

    runtime: Runtime

    @asynccontextmanager
    async def __call__(self, request: CreateRequest) -> AsyncGenerator[Living, None]:
        """Make one, start it, and open its first channel."""
        ref = await self.runtime.create(request)
        await self.runtime.start(ref)
        async with self.again(ref) as container:
            yield container

    @asynccontextmanager
    async def again(
        self, ref: str, *, token: bytes | None = None, runtime: Runtime | None = None
    ) -> AsyncGenerator[Living, None]:
        """Open a channel to a container: the first one, or with its token another."""
        secret = token or os.urandom(32)
        stream = await (runtime or self.runtime).connect(ref)
        async with AgentChannel.open(
            stream, token=secret, claim=token is None, instance="h_test", takeover=True
        ) as channel:
            yield Living(ref, secret, channel)
