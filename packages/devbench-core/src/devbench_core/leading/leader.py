"""Leads: waits for the lease, then does a round again and again until the lease is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING

from devbench_core import metrics
from devbench_core.contracts.lock import Lease, Lock
from devbench_core.errors import DevbenchError, LeaseLost, LockFailed, TimedOut
from devbench_core.leading.fencing import beneath
from devbench_core.leases import LeasedLock
from devbench_core.leases.claims import StoreKeeper
from devbench_core.logs import get_logger
from devbench_core.memory.lock import LocalLock

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
WAIT_S = 3600.0
"""For how long the lease is waited for in one go; it is waited for again."""
LOOKS = 3
"""So often in the time of a lease a host looks whether it can lead, where the store keeps the lease."""
Work = Callable[[], Awaitable[None]]


class Leader:
    """One host's wish to lead.

    Args:
        bench: The host.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lifetimes = bench.settings.lifetimes
        self._lock = _lock_of(bench)
        self._key = f"leader/{bench.installation}/{bench.runtime.name}"

    async def run(self) -> None:
        """Wait and lead until cancelled."""
        while True:
            try:
                async with self._hold(wait_s=WAIT_S) as lease:
                    await self._lead(lease)
            except TimedOut:
                continue
            except LeaseLost as error:
                metrics.LEADER_ROUNDS.labels("lost").inc()
                log.warning("leader.lost", error=str(error))
            except LockFailed as error:
                log.warning("leader.lock_failed", error=str(error))
            except Exception:  # a lock's own fault; an error here would end the host
                log.exception("leader.failed")
            await asyncio.sleep(self._lifetimes.check_interval_s)

    async def once(self, *, purging: bool = True) -> bool:
        """Do one round if nobody leads; tell whether it was done.

        Args:
            purging: Whether commands are purged, too.

        Raises:
            LeaseLost: The lease was lost meanwhile.
            LockFailed: What keeps the locks did not answer.
        """
        with suppress(TimedOut):
            async with self._hold(wait_s=0) as lease:
                await self._round(lease, purging=purging)
                return True
        return False

    def _hold(self, *, wait_s: float) -> AbstractAsyncContextManager[Lease]:
        return self._lock.hold(self._key, ttl_s=self._lifetimes.leader_ttl_s, wait_s=wait_s)

    async def _lead(self, lease: Lease) -> None:
        log.info("leader.began", key=lease.key, token=lease.token)
        metrics.LEADER.set(1)
        try:
            while True:
                await self._round(lease)
                await asyncio.sleep(self._lifetimes.check_interval_s)
        finally:
            metrics.LEADER.set(0)
            log.info("leader.ended", key=lease.key, token=lease.token)

    async def _round(self, lease: Lease, *, purging: bool = True) -> None:
        """Do all that is due; one part's trouble keeps no other from being done, unless it is the lease's."""
        parts: list[tuple[str, Work]] = [("reaper", self._bench.containers.reap)]
        if purging:
            parts.append(("purger", self._purge))
        outcome = "done"
        with beneath(lease):
            for name, work in parts:
                try:
                    await work()
                except LeaseLost:
                    raise
                except DevbenchError as error:
                    outcome = "failed"
                    log.warning("lifespan.failed", lifespan=name, error=str(error))
                except Exception:
                    outcome = "failed"
                    log.exception("lifespan.failed", lifespan=name)
        metrics.LEADER_ROUNDS.labels(outcome).inc()

    async def _purge(self) -> None:
        await self._bench.execs.purge()  # not made before it is needed


def _lock_of(bench: Bench) -> Lock:
    """Return the bench's lock; a lock of this process alone says nothing of other hosts, so the store decides then."""
    if not isinstance(bench.lock, LocalLock):
        return bench.lock
    keeper = StoreKeeper(bench.store, bench.services.clock, bench.instance)
    return LeasedLock(keeper, bench.settings.lifetimes.leader_ttl_s / LOOKS, bench.services.clock)
