"""A connection with a thread of its own, in which whole pieces of work run.

The thread is aiosqlite's. Work is handed over as one function, not statement by statement: each of the ten steps
of a small transaction would cost a change of threads, which is most of its time (measured in the decision record).
Work that began is finished, also when the caller is cancelled meanwhile.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

import aiosqlite

from devbench_core.finishing import TO_ITS_END_S, finished

T = TypeVar("T")
UNUSED_CHUNK = 64
"""aiosqlite's size of a chunk of rows; its own cursors are not used."""


class Lane:
    """One connection."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect_anew = connect
        self._connection: sqlite3.Connection | None = None
        self._thread = self._new_thread()
        self.is_open = False

    async def open(self) -> None:
        """Start the thread and connect.

        Raises:
            sqlite3.Error: The database cannot be opened; the thread has ended again, and a later try has its own.
        """
        self._thread = self._new_thread()
        opening = asyncio.ensure_future(self._thread)
        try:
            await asyncio.wait({opening})
        except asyncio.CancelledError:
            await finished(self._undo(opening), TO_ITS_END_S)
            raise
        opening.result()
        self.is_open = True

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what the work gives, called in the thread.

        Work that is handed over meanwhile runs afterwards, in order.

        Raises:
            sqlite3.Error: The connection was given up, and no other can be made.
        """
        return await self._in_thread(partial(self._do, work))

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._connection or self._connect())
        except StopIteration as error:  # no future takes it, so whoever waits would wait for ever
            raise RuntimeError("work raised StopIteration") from error

    async def close(self) -> None:
        """Close after the work that is under way; nothing to do where it was never opened."""
        if self.is_open:
            self.is_open = False
            # a thread that is left keeps the process alive for ever
            await finished(self._end(), TO_ITS_END_S)

    async def _undo(self, opening: asyncio.Future[aiosqlite.Connection]) -> None:
        with suppress(sqlite3.Error):
            await opening  # the thread is opening the file and would leave a connection behind
            await self._end()

    async def _end(self) -> None:
        await self._in_thread(self.renew)
        await self._thread.close()

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        # aiosqlite offers no public way to run more than one statement at a time
        execute = cast("Callable[..., Any]", self._thread._execute)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
        return cast("T", await execute(function, *arguments))

    def renew(self) -> None:
        """Give the connection up; the next work gets another one. To be called by work, in the thread."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _new_thread(self) -> aiosqlite.Connection:
        return aiosqlite.Connection(self._connect, UNUSED_CHUNK)

    def _connect(self) -> sqlite3.Connection:
        self._connection = self._connect_anew()
        return self._connection
