"""A stream that can be cut in the middle, to see what a host makes of it."""

from __future__ import annotations

import attrs

from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable


@attrs.define(eq=False)
class CuttableStream:
    """Passes bytes on until it is cut.

    Attributes:
        inner: The real stream.
        rest: How many bytes of the agent may still pass, None for no limit.
    """

    inner: ByteStream
    rest: int | None = None
    was_cut: bool = False

    async def read(self) -> bytes:
        """Pass the agent's bytes on; cut in the middle of a frame when the limit is reached."""
        if self.rest is not None and self.rest <= 0:
            await self.cut()
        data = await self.inner.read()
        if self.was_cut:
            return b""
        if self.rest is not None:
            data, self.rest = data[: self.rest], self.rest - len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Pass the host's bytes on."""
        if self.was_cut:
            raise AgentUnavailable("cut")
        await self.inner.write(data)

    async def close(self) -> None:
        """Close the real stream."""
        await self.inner.close()

    async def cut(self) -> None:
        """Cut now."""
        self.was_cut = True
        await self.inner.close()
