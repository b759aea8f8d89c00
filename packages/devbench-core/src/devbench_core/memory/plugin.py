"""Offers the in-memory store and the in-process lock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.store import Store
from devbench_core.hookspecs import hookimpl


class NoSettings(BaseModel):
    """Neither has anything to set."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


@asynccontextmanager
async def open_store(_settings: NoSettings, _context: OpenContext) -> AsyncGenerator[Store, None]:
    """Open an empty store."""
    from devbench_core.memory.store import MemoryStore

    yield MemoryStore()


@asynccontextmanager
async def open_lock(_settings: NoSettings, context: OpenContext) -> AsyncGenerator[Lock, None]:
    """Open a lock of this process."""
    from devbench_core.memory.lock import LocalLock

    yield LocalLock(context.clock)


async def fine(_settings: NoSettings, _context: OpenContext) -> Diagnosis:
    """Say that it always works."""
    return Diagnosis(ok=True, summary="in this process; forgets everything when it ends")


class MemoryPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_stores(self) -> Sequence[Provider[Store]]:
        """Offer ``memory``."""
        return [Provider(name="memory", settings=NoSettings, open=open_store, diagnose=fine)]

    @hookimpl
    def devbench_locks(self) -> Sequence[Provider[Lock]]:
        """Offer ``local``."""
        return [Provider(name="local", settings=NoSettings, open=open_lock, diagnose=fine)]


plugin = MemoryPlugin()
