"""Opens the lock: a client, a listener, and one look whether the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from devbench_core.clock import Clock
from devbench_core.finishing import ended
from devbench_core.leases import LeasedLock
from devbench_lock_redis.address import address_of
from devbench_lock_redis.keeper import RedisKeeper
from devbench_lock_redis.names import Names
from devbench_lock_redis.server import Server, client_of, closed
from devbench_lock_redis.settings import RedisSettings
from devbench_lock_redis.wakeups import Wakeups


@asynccontextmanager
async def opened(settings: RedisSettings, clock: Clock) -> AsyncGenerator[LeasedLock, None]:
    """Open a lock for the block.

    Raises:
        ConfigurationInvalid: The URL cannot be used.
        LockFailed: The server cannot be reached, or refuses us.
    """
    address = address_of(settings)
    client = client_of(address, settings)
    try:
        server = Server(client, settings, str(address))
        await server.ping()
        names = Names(settings.prefix)
        wakeups = Wakeups(client, names.channel, str(address), settings.poll_s)
        listening = asyncio.create_task(wakeups.run(), name="lock wakeups")
        try:
            yield LeasedLock(RedisKeeper(server, names, wakeups), settings.poll_s, clock)
        finally:
            await ended(listening)
    finally:
        await closed(client)
