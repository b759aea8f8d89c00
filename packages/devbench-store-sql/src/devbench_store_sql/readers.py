"""The connections for reading: opened when needed, as many as allowed, the one used last first."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from devbench_core.errors import StoreFailed
from devbench_store_sql import connections
from devbench_store_sql.failures import translated
from devbench_store_sql.lane import Lane
from devbench_store_sql.patience import patiently
from devbench_store_sql.settings import SqlSettings

T = TypeVar("T")


class Readers:
    """A bounded pool of lanes."""

    def __init__(self, settings: SqlSettings, path: Path) -> None:
        self._settings = settings
        self._path = path
        self._idle: list[Lane] = []
        self._free = asyncio.Semaphore(settings.pool_size)
        self._closed = False

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a query gives.

        Raises:
            StoreFailed: No connection was free in time, or the database cannot be read.
        """
        await self._take_place()
        try:
            with translated(self._path):
                return await patiently(lambda: self._attempt(query), self._settings.busy_timeout_s)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Refuse new reads and close the connections after those under way."""
        self._closed = True
        for _ in range(self._settings.pool_size):
            await self._free.acquire()
        while self._idle:
            await self._idle.pop().close()
        for _ in range(self._settings.pool_size):
            self._free.release()  # whoever waits is told that the store is closed

    async def _take_place(self) -> None:
        try:
            async with asyncio.timeout(self._settings.pool_timeout_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise StoreFailed(
                f"store {str(self._path)!r}: no connection was free within {self._settings.pool_timeout_s:g} s",
                hint="raise plugin.sql.pool_size",
            ) from error

    async def _attempt(self, query: Callable[[sqlite3.Connection], T]) -> T:
        lane = await self._lane()
        try:
            return await lane.run(query)
        finally:
            self._idle.append(lane)  # a cancelled read may still run in it; the next one then waits its turn

    async def _lane(self) -> Lane:
        if self._closed:
            raise StoreFailed(f"store {str(self._path)!r} is closed")
        if self._idle:
            return self._idle.pop()
        lane = Lane(partial(connections.reader, self._path, self._settings))
        await lane.open()
        return lane
