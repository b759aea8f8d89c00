"""Moves what was committed from the write-ahead log into the database, beside the writer.

Left alone, SQLite does so in the commit that makes the log a thousand pages long, and that commit takes as long as
a hundred others: it copies the pages and waits for the disk, twice. Whoever writes something small beside a stream met
it again and again. Here a connection with a thread of its own does the copying, which keeps no writer waiting.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path

from devbench_core.logs import get_logger
from devbench_store_sql.failures import failure
from devbench_store_sql.lane import Lane
from devbench_store_sql.writer import Writer

log = get_logger(__name__)
LOG_PAGES = 4096
"""A log as long as this is begun anew: for a moment nothing is written, so that all of it can be copied."""

PAUSE_S = 1.0
"""After a failure: the writer's own commits would tell of a database that cannot be written."""

OPEN_FILES = Path("/proc/self/fd")
SYNC_FILE_RANGE_WRITE = 2  # sync_file_range(2); Python does not have it


class Checkpoints:
    """One task; whatever it does may fail or be left out without a loss: the log itself is durable.

    Args:
        lane: A connection that nobody else uses; opened here when it is needed.
        writer: Whose log it is.
        path: Of the database.
    """

    def __init__(self, lane: Lane, writer: Writer, path: Path) -> None:
        self._lane = lane
        self._writer = writer
        self._path = path

    async def run(self) -> None:
        """Copy each time that much was written, until cancelled."""
        while True:
            try:
                async with self._writer.copying():
                    await self._copy()
            except (sqlite3.Error, OSError, RuntimeError) as error:  # the last: no thread can be started now
                log.warning("store.checkpoint_failed", error=failure(self._path, error).message)
                await asyncio.sleep(PAUSE_S)

    async def _copy(self) -> None:
        """Copy beside the writer; where the log is long all the same, let it be begun anew.

        SQLite begins it anew when all of it was copied and nothing was added meanwhile, which never happens by itself
        while a stream is written.
        """
        if not self._lane.is_open:
            await self._lane.open()  # most processes never write as much
        pages = await self._lane.run(self._pass)
        if pages > LOG_PAGES:
            await self._lane.run(
                self._pass
            )  # what was written meanwhile, so that little is left for the next
            async with self._writer.still():
                await self._lane.run(self._pass)

    def _pass(self, connection: sqlite3.Connection) -> int:
        """Copy what no reader and no other process holds up; return how many pages the log had at the beginning."""
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        _begin_to_flush(self._path)
        return int(pages)


def _begin_to_flush(path: Path) -> None:
    """Have the kernel begin to write the copied pages to the disk; nothing waits for them here.

    SQLite waits for that in the pass that reaches the log's end, for which the writer stands still: then it would be
    all of them. The descriptor is one of SQLite's own, since to close another one of the same file would take this
    process's locks of it away. It is not synced, since whoever does is told of a failure instead of SQLite.
    """
    import ctypes  # as seldom needed as the connection

    whole, libc = ctypes.c_int64(0), ctypes.CDLL(None)
    name = path.resolve()
    for entry in OPEN_FILES.iterdir():
        with suppress(OSError):  # it was closed meanwhile
            if entry.readlink() == name:
                libc.sync_file_range(int(entry.name), whole, whole, SYNC_FILE_RANGE_WRITE)
                return
