"""Offers the lock ``flock``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.hookspecs import hookimpl
from devbench_lock_flock.settings import FlockSettings


@asynccontextmanager
async def open_lock(_settings: FlockSettings, context: OpenContext) -> AsyncGenerator[Lock, None]:
    """Open the lock; leaving the block closes it."""
    from devbench_lock_flock.lock import FlockLock

    yield FlockLock(context)


class FlockPlugin:
    """The plugin object, which the entry point names."""

    @hookimpl
    def devbench_locks(self) -> Sequence[Provider[Lock]]:
        """Offer ``flock``."""
        return [Provider(name="flock", settings=FlockSettings, open=open_lock)]


plugin = FlockPlugin()
