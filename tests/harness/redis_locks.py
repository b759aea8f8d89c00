"""Opens locks on a Redis server by its URL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import SecretStr

from devbench_core.clock import SystemClock
from devbench_core.leases import LeasedLock
from devbench_lock_redis.opening import opened
from devbench_lock_redis.settings import RedisSettings

OpenLock = Callable[..., AbstractAsyncContextManager[LeasedLock]]


def open_on(url: str, **settings: Any) -> AbstractAsyncContextManager[LeasedLock]:
    """Return a lock that is opened by entering it."""
    return opened(RedisSettings(url=SecretStr(url), **settings), SystemClock())
