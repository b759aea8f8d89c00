"""A host in this process that dies like one whose process is killed: after so many steps, in the middle of anything."""

from __future__ import annotations

import asyncio

import attrs

from devbench_core.contracts.store import Change, LogEntry, Record, RecordPage, Store
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable


@attrs.define(kw_only=True, eq=False)
class Life:
    """What is left of a host's life.

    Attributes:
        steps: Steps until its death, None for no death. Each write to the store or to the agent is two steps: one
            before it is done, and one after it.
        died: Set at its death.
    """

    steps: int | None
    died: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def step(self) -> None:
        """Live on, or never return."""
        if self.steps is not None and not self.died.is_set():
            self.steps -= 1
            if self.steps < 0:
                self.died.set()
        if self.died.is_set():
            await asyncio.Event().wait()


@attrs.frozen(eq=False)
class MortalStore:
    """The store of all hosts, as one of them sees it while it lives."""

    inner: Store
    life: Life

    async def get(self, kind: str, key: str) -> Record | None:
        """As the store's."""
        return await self.inner.get(kind, key)

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """As the store's, with a step before and after it."""
        await self.life.step()
        done = await self.inner.apply(*changes)
        await self.life.step()
        return done

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """As the store's."""
        return await self.inner.list(kind, terms=terms, after=after, limit=limit)

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """As the store's."""
        return await self.inner.read(log, after=after, limit=limit)

    async def drop(self, log: str) -> None:
        """As the store's, with a step before and after it."""
        await self.life.step()
        await self.inner.drop(log)
        await self.life.step()


@attrs.frozen(eq=False)
class MortalStream:
    """A stream to the agent; what was written before the death arrives."""

    inner: ByteStream
    life: Life

    async def read(self) -> bytes:
        """Return the agent's bytes, none any more after the death."""
        data = await self.inner.read()
        return b"" if self.life.died.is_set() else data

    async def write(self, data: bytes) -> None:
        """Write, with a step before and after it."""
        if self.life.died.is_set():
            raise AgentUnavailable("its host is dead")
        await self.life.step()
        await self.inner.write(data)
        await self.life.step()

    async def close(self) -> None:
        """Close the real stream."""
        await self.inner.close()
