"""Opens a database: its place, its migrations, its readers and its writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from devbench_store_sql import connections
from devbench_store_sql.checkpoints import Checkpoints
from devbench_store_sql.closing import closed_whole
from devbench_store_sql.failures import translated
from devbench_store_sql.lane import Lane
from devbench_store_sql.migrate import migrate
from devbench_store_sql.place import file_of, prepare
from devbench_store_sql.readers import Readers
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.store import SqlStore
from devbench_store_sql.writer import Writer


@asynccontextmanager
async def opened(settings: SqlSettings, state_dir: Path) -> AsyncGenerator[SqlStore, None]:
    """Open, migrate, and close at the end, after the writes that wait.

    Raises:
        StoreFailed: The database is damaged, read-only, full, locked, or newer than this program.
        ConfigurationInvalid: The URL cannot be used.
    """
    path = file_of(settings, state_dir)
    with translated(path, timeout="migration_timeout_s"):
        await asyncio.to_thread(prepare, path)
        await asyncio.to_thread(migrate, path, settings)
    async with closed_whole() as stack:
        readers = Readers(settings, path)
        stack.push_async_callback(readers.close)
        connect = partial(connections.writer, path, settings, busy_timeout_s=settings.busy_timeout_s)
        lane = Lane(connect)
        with translated(path):
            await lane.open()
        stack.push_async_callback(lane.close)
        writer = Writer(lane, settings, path)
        task = asyncio.create_task(writer.run(), name="store writer")  # owned by this block: see _finish
        stack.push_async_callback(_finish, writer, task)
        beside = Lane(connect)
        stack.push_async_callback(beside.close)
        copying = asyncio.create_task(Checkpoints(beside, writer, path).run(), name="store checkpoints")
        stack.push_async_callback(_cancel, copying)
        yield SqlStore(readers, writer, settings, path)


async def _finish(writer: Writer, task: asyncio.Task[None]) -> None:
    """Wait until the writes that are queued are done."""
    if not task.done():
        await writer.close()
    await task


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
