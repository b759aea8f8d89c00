"""A stream to an agent with faults at random: it is slow, comes in crumbs, and breaks off in the middle of anything."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import attrs

from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable

DELAY_MAX_S = 0.02


@attrs.define(kw_only=True)
class Faults:
    """What goes wrong, the same for the same seed and the same calls.

    Attributes:
        chance: Where chance comes from.
        cut: How probably a read or a write breaks off in its middle.
        delay: How probably it takes a while.
        crumb_bytes: How much passes in one read at most.
        cuts: How often something broke off so far.
    """

    chance: random.Random
    cut: float = 0.04
    delay: float = 0.05
    crumb_bytes: int = 2048
    cuts: int = 0

    def cuts_now(self) -> bool:
        """Decide whether it breaks off now."""
        cut = self.chance.random() < self.cut
        self.cuts += cut
        return cut

    async def dawdle(self) -> None:
        """Take a while, now and then."""
        if self.chance.random() < self.delay:
            await asyncio.sleep(self.chance.uniform(0, DELAY_MAX_S))


@attrs.define(eq=False)
class FaultyStream:
    """Passes bytes on, in order, until it breaks off: then a part of a read or of a write has passed."""

    inner: ByteStream
    faults: Faults
    _rest: bytes = b""
    _broken: bool = False

    async def read(self) -> bytes:
        """Pass some of the agent's bytes on."""
        if self._broken:
            return b""
        await self.faults.dawdle()
        data = self._rest or await self.inner.read()
        if self._broken:
            return b""
        size = self.faults.chance.randint(1, self.faults.crumb_bytes)
        if data and self.faults.cuts_now():
            await self._break()
            return data[: self.faults.chance.randint(0, min(size, len(data)))]
        self._rest = data[size:]
        return data[:size]

    async def write(self, data: bytes) -> None:
        """Pass the host's bytes on, or a part of them."""
        if self._broken:
            raise AgentUnavailable("it broke off")
        await self.faults.dawdle()
        if not self.faults.cuts_now():
            await self.inner.write(data)
            return
        await self.inner.write(data[: self.faults.chance.randint(0, len(data))])
        await self._break()
        raise AgentUnavailable("it breaks off")

    async def close(self) -> None:
        """Close the real stream."""
        await self.inner.close()

    async def _break(self) -> None:
        self._broken = True
        await self.inner.close()


def faulty(
    connect: Callable[[], Awaitable[ByteStream]], faults: Faults
) -> Callable[[], Awaitable[ByteStream]]:
    """Return what opens faulty streams instead of good ones."""

    async def open_one() -> ByteStream:
        return FaultyStream(await connect(), faults)

    return open_one
