"""Opens locks that several hosts share, by the URL of their server."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from devbench_core.clock import SystemClock
from devbench_core.leases import LeasedLock


def open_lock(url: str, *, poll_s: float = 1.0, **settings: Any) -> AbstractAsyncContextManager[LeasedLock]:
    """Return a lock on Redis, PostgreSQL or SQLite that is opened by entering it."""
    if url.startswith("postgresql"):
        from devbench_store_sql.postgres.lock.opening import opened
        from devbench_store_sql.settings import SqlSettings

        return opened(SqlSettings(url=SecretStr(url), lock_poll_s=poll_s, **settings), SystemClock())
    if url.startswith("sqlite"):
        from devbench_store_sql.lock import opened as on_sqlite
        from devbench_store_sql.settings import SqlSettings

        settings = {"url": SecretStr(url), "lock_poll_s": poll_s, **settings}
        return on_sqlite(SqlSettings(**settings), Path.cwd(), SystemClock())
    from devbench_lock_redis.opening import opened as on_redis
    from devbench_lock_redis.settings import RedisSettings

    return on_redis(RedisSettings(url=SecretStr(url), poll_s=poll_s, **settings), SystemClock())
