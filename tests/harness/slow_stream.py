"""A stream whose way to the agent can be long, as that of a dead host's last words."""

from __future__ import annotations

import attrs

from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable


@attrs.define(eq=False)
class SlowStream:
    """Passes bytes on, or takes them and keeps them on their way.

    Attributes:
        inner: The real stream.
        held: What is on its way, in order; None while nothing is held back.
    """

    inner: ByteStream
    held: list[bytes] | None = None

    def hold(self) -> None:
        """From now on nothing arrives."""
        self.held = []

    async def release(self) -> None:
        """Let all arrive, if it still can."""
        held, self.held = self.held or [], None
        for data in held:
            try:
                await self.inner.write(data)
            except AgentUnavailable:
                return

    async def read(self) -> bytes:
        """Pass the agent's bytes on."""
        return await self.inner.read()

    async def write(self, data: bytes) -> None:
        """Take the host's bytes."""
        if self.held is None:
            await self.inner.write(data)
        else:
            self.held.append(data)

    async def close(self) -> None:
        """Close the real stream."""
        await self.inner.close()
