"""Holders of one lock, who write by its tokens: what they were told is a history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lease
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Fence, Put, Store
from devbench_core.errors import DevbenchError, LeaseLost, StaleToken
from devbench_core.leases import LeasedLock
from harness.chaos.book import Book, now, operation
from harness.shared_locks import open_lock

LOCKERS = 3
KEY, KIND = "chaos", "chaos"
TTL_S, WAIT_S, PAUSE_S = 2.0, 5.0, 0.05
LOOKS = 3


@asynccontextmanager
async def lockers(lock_url: str, store_url: str, book: Book, fault: str) -> AsyncGenerator[None]:
    """Let some hold a lock in turn while the block lasts."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        locks = [await stack.enter_async_context(open_lock(lock_url)) for _ in range(LOCKERS)]
        store = await stack.enter_async_context(_store(store_url))
        async with asyncio.TaskGroup() as tasks:
            for number, lock in enumerate(locks):
                locker = _Locker(lock, store, book, f"{fault}-{number}", f"{KEY}-{fault}")
                tasks.create_task(locker.work(stop))
            try:
                yield
            finally:
                stop.set()


def _store(url: str):
    from devbench_store_sql import plugin

    (provider,) = plugin.devbench_stores()
    here = Path.cwd()
    context = OpenContext(installation="", state_dir=here, cache_dir=here, clock=SystemClock())
    settings = {"url": url, "connect_timeout_s": 1, "busy_timeout_s": 3}
    return provider.open(provider.settings.model_validate(settings), context)


class _Locker:
    def __init__(self, lock: LeasedLock, store: Store, book: Book, name: str, key: str) -> None:
        self._lock = lock
        self._store = store
        self._book = book
        self._name = name
        self._key = key
        self._count = 0

    async def work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._turn()
            except DevbenchError as error:
                self._book.note(f"lock {self._name} {error.code}: {error.message}")
            await asyncio.sleep(PAUSE_S)

    async def _turn(self) -> None:
        called, taken = now(), 0
        try:
            async with self._lock.hold(self._key, ttl_s=TTL_S, wait_s=WAIT_S) as lease:
                taken = lease.token
                self._book.leases.append(operation(called, "take", key=self._key, told=taken))
                called = now()
                for _ in range(LOOKS):
                    await self._look_and_write(lease)
                called = now()
        except DevbenchError:
            if taken:  # it may have ended at any time since then, also later
                self._book.leases.append(operation(called, "give", key=self._key, asked=taken, known=False))
            raise
        self._book.leases.append(operation(called, "give", key=self._key, asked=taken))

    async def _look_and_write(self, lease: Lease) -> None:
        called = now()
        lease.check()
        self._book.leases.append(operation(called, "held", key=self._key, asked=lease.token))
        self._count += 1
        value = f"{self._name} {self._count}"
        called = now()
        told: bool | None = None
        try:
            await self._store.apply(
                Fence(key=self._key, token=lease.token), Put(kind=KIND, key=self._key, data={"by": value})
            )
            told = True
        except StaleToken:
            told = False
        except LeaseLost:
            raise
        except DevbenchError as error:
            self._book.note(f"write {value} {error.code}: {error.message}")
        finally:  # also when the lease is lost meanwhile, and the block is cancelled
            asked = (lease.token, value)
            known = told is not None
            self._book.fenced.append(
                operation(called, "write", key=self._key, asked=asked, told=told, known=known)
            )
        called = now()
        record = await self._store.get(KIND, self._key)
        seen = None if record is None else record.data["by"]
        self._book.fenced.append(operation(called, "read", key=self._key, told=(seen,)))
