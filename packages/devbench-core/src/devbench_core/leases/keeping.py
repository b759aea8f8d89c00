"""Keeps a lease for the length of a block, and ends the block when the lease is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from devbench_core.errors import LockFailed
from devbench_core.finishing import ended
from devbench_core.leases.lease import HeldLease
from devbench_core.logs import get_logger

log = get_logger(__name__)
RENEWALS = 3
"""A lease is renewed when this part of its time has passed."""
TRIES = 12
"""A renewal that failed is tried again after this part of its time."""

Renew = Callable[[HeldLease], Awaitable[None]]


@asynccontextmanager
async def kept(lease: HeldLease, renew: Renew) -> AsyncGenerator[None, None]:
    """Renew a lease for the block. When it is lost, the block's task is cancelled.

    Raises:
        LeaseLost: Instead of that cancellation, and of whatever else a block raised whose lease was lost.
    """
    try:
        async with asyncio.timeout(lease.left_s) as watch:
            renewing = asyncio.create_task(_renewed(lease, renew, watch), name="lease renewal")
            try:
                yield
            finally:
                await ended(renewing)
    except Exception as error:
        if lease.is_lost():
            raise lease.lost() from error
        raise
    if lease.is_lost():
        raise lease.lost()


async def _renewed(lease: HeldLease, renew: Renew, watch: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    pause_s = lease.ttl_s / RENEWALS
    while True:
        await asyncio.sleep(pause_s)
        pause_s = lease.ttl_s / RENEWALS
        try:
            await renew(lease)
        except LockFailed as error:
            log.warning("lease.not_renewed", key=lease.key, left_s=round(lease.left_s, 3), error=str(error))
            pause_s = lease.ttl_s / TRIES
        if watch.expired():
            return  # the block is being told
        watch.reschedule(loop.time() + lease.left_s)
        if lease.is_lost():
            return
