"""The writes that wait in this process: a bounded queue, emptied in batches that are committed together."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

from devbench_core.errors import StoreFailed
from devbench_store_sql.settings import SqlSettings

T = TypeVar("T")
J = TypeVar("J", bound="Job[Any]")

BATCH_BYTES = 512 * 1024
"""What is committed together beside the last write of a batch, so that a small one waits for no more than that."""


class Job(Generic[T]):
    """Something to be written, and whoever waits for it.

    Args:
        size: About how many bytes it is.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def succeed(self, result: T) -> None:
        """Tell the result."""
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Tell why there is none."""
        if not self.done.done():
            self.done.set_exception(error)


class Jobs(Generic[J]):
    """The queue.

    Args:
        settings: Its bounds.
        shown: The store, as messages name it.
    """

    def __init__(self, settings: SqlSettings, shown: str) -> None:
        self._settings = settings
        self._shown = shown
        self._queue: asyncio.Queue[J | None] = asyncio.Queue(settings.write_queue)
        self._closing = False
        self._ended = False

    async def put(self, job: J) -> None:
        """Let a job wait for its turn.

        Raises:
            StoreFailed: The store is closed, or there was no place in time.
        """
        if self._closing:
            raise self._closed()
        if self._queue.full():
            await self._wait_for_place(job)
        else:  # as nearly always: then no time is kept
            self._queue.put_nowait(job)

    async def _wait_for_place(self, job: J) -> None:
        try:
            async with asyncio.timeout(self._settings.write_queue_timeout_s):
                await self._queue.put(job)
        except TimeoutError as error:
            raise StoreFailed(
                f"store {self._shown}: {self._settings.write_queue} writes are waiting already",
                hint="look at the disk's speed, or raise plugin.sql.write_queue_timeout_s",
            ) from error
        if self._ended:  # the place was freed by `end`, and nobody takes from the queue any more
            job.fail(self._closed())

    def _closed(self) -> StoreFailed:
        return StoreFailed(f"store {self._shown} is closed")

    async def batch(self) -> tuple[list[J], bool]:
        """Wait for jobs and take those that are written together; with them, whether they are the last ones."""
        first = await self._queue.get()
        if first is None:
            return [], True
        taken, size = [first], first.size
        while len(taken) < self._settings.write_batch and size < BATCH_BYTES and not self._queue.empty():
            job = self._queue.get_nowait()
            if job is None:
                return taken, True
            taken.append(job)
            size += job.size
        return taken, False

    def end(self, *under_way: J) -> None:
        """Tell all who wait that nobody writes any more.

        Args:
            under_way: Jobs that were taken; those without an outcome have an unknown one.
        """
        self._closing = self._ended = True
        for job in under_way:
            job.fail(StoreFailed(f"store {self._shown} was closed while writing; outcome unknown"))
        while not self._queue.empty():
            waiting = self._queue.get_nowait()
            if waiting is not None:
                waiting.fail(self._closed())

    async def close(self) -> None:
        """Refuse new jobs; those that wait are still taken."""
        self._closing = True
        await self._queue.put(None)
