"""Taking a free key of each lock."""

from __future__ import annotations

from contextlib import AsyncExitStack

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lock
from devbench_core.memory.lock import LocalLock
from harness.postgres import server
from harness.redis_server import RedisServer
from harness.shared_locks import open_lock
from performance.measure import Row, Step, interleave
from performance.setting import Setting

TTL_S = 30.0
ACQUIRE_AT_MOST_MS = 2.0


async def run(setting: Setting) -> list[Row]:
    """Measure all three, in one interleaved run on servers of this machine; giving a key back is not counted."""
    with server(durable=True) as running, RedisServer() as redis:
        async with open_lock(running.database()) as on_postgres, open_lock(redis.url) as on_redis:
            locks: dict[str, Lock] = {
                "in the process": LocalLock(SystemClock()),
                "PostgreSQL": on_postgres,
                "Redis": on_redis,
            }
            held = {name: AsyncExitStack() for name in locks}
            row = await interleave(
                "taking a key that is free",
                {name: _taking(lock, held[name]) for name, lock in locks.items()},
                rounds=setting.small,
                bounds_ms=dict.fromkeys(locks, ACQUIRE_AT_MOST_MS),
                after={name: stack.aclose for name, stack in held.items()},
            )
    return [row]


def _taking(lock: Lock, held: AsyncExitStack) -> Step:
    async def take() -> None:
        await held.enter_async_context(lock.hold("bench", ttl_s=TTL_S, wait_s=0))

    return take
