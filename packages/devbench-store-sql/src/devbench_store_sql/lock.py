"""The lock on SQLite: leases as records of the store, for the processes of one machine."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from devbench_core.clock import Clock
from devbench_core.errors import LockFailed, StoreFailed
from devbench_core.leases import LeasedLock
from devbench_core.leases.claims import StoreKeeper
from devbench_store_sql.opening import opened as opened_store
from devbench_store_sql.settings import SqlSettings

INSTANCE_BYTES = 8


@asynccontextmanager
async def opened(settings: SqlSettings, state_dir: Path, clock: Clock) -> AsyncGenerator[LeasedLock, None]:
    """Open the database for the block, with connections of the lock's own.

    Raises:
        ConfigurationInvalid: The URL cannot be used.
        LockFailed: The database cannot be opened.
    """
    opening = opened_store(settings, state_dir)
    try:
        store = await opening.__aenter__()
    except StoreFailed as error:
        raise LockFailed(error.message, hint=error.hint) from error
    try:
        keeper = StoreKeeper(store, clock, secrets.token_hex(INSTANCE_BYTES))
        yield LeasedLock(keeper, settings.lock_poll_s, clock)
    finally:
        await opening.__aexit__(None, None, None)
