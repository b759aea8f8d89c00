"""What is special about the lock within one process."""

from datetime import UTC, datetime, timedelta

import attrs

from devbench_core.clock import SystemClock
from devbench_core.memory import LocalLock


@attrs.frozen
class At(SystemClock):
    moment: datetime

    def now(self) -> datetime:
        return self.moment


async def token(lock: LocalLock) -> int:
    async with lock.hold("k", ttl_s=1, wait_s=0) as lease:
        return lease.token


async def test_tokens_rise_across_restarts_of_the_process():
    start = datetime(2026, 11, 24, tzinfo=UTC)
    before = LocalLock(At(start))
    tokens = [await token(before) for _ in range(100)]
    after = LocalLock(At(start + timedelta(seconds=1)))
    assert await token(after) > max(tokens)


async def test_a_key_that_nobody_holds_costs_no_memory():
    lock = LocalLock(SystemClock())
    for number in range(100):
        async with lock.hold(str(number), ttl_s=1, wait_s=0):
            pass
    assert lock.held == 0
