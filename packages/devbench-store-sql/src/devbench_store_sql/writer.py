"""The one writer of this process: writes wait in a queue and are committed together.

A write belongs to the writer once it has begun: a caller that is cancelled leaves no transaction half done. Each
piece of work decides before it writes, so one that raises has written nothing and the others of its batch go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection

from devbench_core.contracts.store import Record
from devbench_core.errors import DevbenchError, StoreFailed
from devbench_store_sql.changes import Checked, apply
from devbench_store_sql.failures import DATABASE_ERRORS, failure
from devbench_store_sql.lane import Lane
from devbench_store_sql.patience import patiently
from devbench_store_sql.settings import SqlSettings

T = TypeVar("T")
Work = Callable[[Connection], T]


PAGES_OF_A_COMMIT_BYTES = 24 * 1024
"""What a small transaction adds to the write-ahead log: the pages that it touches, as a whole."""

BATCH_BYTES = 512 * 1024
"""What is committed together beside the last write of a batch, so that a small one waits for no more than that."""

MUCH_BYTES = 4 * 1024 * 1024
"""So much written, and it is time to copy it from the log into the database."""

AHEAD_BYTES = 16 * 1024 * 1024
"""How much is written at most while that is done, so that the log's length has a bound on a slow disk, too."""


class _Job(Generic[T]):
    def __init__(self, work: Work[T] | None, changes: Sequence[Checked] = (), size: int = 0) -> None:
        self.work = work
        self.changes = changes
        self.size = size
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def succeed(self, result: T) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


_Outcome = tuple[_Job[Any], Any, "DevbenchError | None"]


class Writer:
    """Runs work in transactions, in order of arrival."""

    def __init__(self, lane: Lane, settings: SqlSettings, path: Path) -> None:
        self._lane = lane
        self._settings = settings
        self._path = path
        self._queue: asyncio.Queue[_Job[Any] | None] = asyncio.Queue(settings.write_queue)
        self._closing = False
        self._written = 0
        self._ahead = 0
        self._much = asyncio.Event()
        self._copied = asyncio.Event()
        self._copied.set()
        self._turn = asyncio.Lock()

    async def do(self, work: Work[T]) -> T:
        """Have work done and committed.

        Args:
            work: Called with a connection in a transaction; decides first, writes last.

        Raises:
            DevbenchError: What the work raised, or `StoreFailed`.
        """
        return await self._put(_Job(work))

    async def apply(self, changes: Sequence[Checked], size: int) -> tuple[Record | None, ...]:
        """Have the changes of one call made and committed.

        Args:
            changes: All or none.
            size: About how many bytes they are.

        Raises:
            Conflict: An expectation did not hold.
            StoreFailed: The database refused.
        """
        job: _Job[tuple[Record | None, ...]] = _Job(None, changes, size)
        return await self._put(job)

    async def _put(self, job: _Job[T]) -> T:
        if self._closing:
            raise StoreFailed(f"store {str(self._path)!r} is closed")
        if self._queue.full():
            await self._wait_for_place(job)
        else:  # as nearly always: then no time is kept
            self._queue.put_nowait(job)
        return await job.done

    @asynccontextmanager
    async def copying(self) -> AsyncGenerator[None]:
        """Wait until `MUCH_BYTES` were written since the last time; the block copies them into the database.

        When `AHEAD_BYTES` are written while it does, further writes wait for its end.
        """
        await self._much.wait()
        self._much.clear()
        self._copied.clear()
        self._ahead = 0
        try:
            yield
        finally:
            self._copied.set()

    @asynccontextmanager
    async def still(self) -> AsyncGenerator[None]:
        """Write nothing while the block runs; what comes waits."""
        async with self._turn:
            yield

    async def _wait_for_place(self, job: _Job[Any]) -> None:
        try:
            async with asyncio.timeout(self._settings.write_queue_timeout_s):
                await self._queue.put(job)
        except TimeoutError as error:
            raise StoreFailed(
                f"store {str(self._path)!r}: {self._settings.write_queue} writes are waiting already",
                hint="look at the disk's speed, or raise plugin.sql.write_queue_timeout_s",
            ) from error

    async def run(self) -> None:
        """Work until `close`."""
        while True:
            first = await self._queue.get()
            if first is None:
                return
            batch, last = self._batch(first)
            if self._ahead >= AHEAD_BYTES:
                await self._copied.wait()
            async with self._turn:
                await self._finish([job for job in batch if not job.done.done()])
            self._count(batch)
            if last:
                return

    async def close(self) -> None:
        """Refuse new writes and let `run` end after those that wait."""
        self._closing = True
        await self._queue.put(None)

    def _batch(self, first: _Job[Any]) -> tuple[list[_Job[Any]], bool]:
        batch, size = [first], first.size
        while len(batch) < self._settings.write_batch and size < BATCH_BYTES and not self._queue.empty():
            job = self._queue.get_nowait()
            if job is None:
                return batch, True
            batch.append(job)
            size += job.size
        return batch, False

    def _count(self, batch: Sequence[_Job[Any]]) -> None:
        size = PAGES_OF_A_COMMIT_BYTES + sum(job.size for job in batch)
        self._ahead += size
        self._written += size
        if self._written >= MUCH_BYTES:
            self._written = 0
            self._much.set()

    async def _finish(self, jobs: Sequence[_Job[Any]]) -> None:
        """Do jobs together; when the database refuses, each by itself, so that none fails for another's size."""
        if not jobs:
            return
        try:
            outcomes = await patiently(lambda: self._transaction(jobs), self._settings.busy_timeout_s)
        except (*DATABASE_ERRORS, OSError, StoreFailed) as error:
            if len(jobs) > 1 and not _unknown(error):
                for job in jobs:
                    await self._finish([job])
                return
            failed = error if isinstance(error, StoreFailed) else failure(self._path, error)
            for job in jobs:
                job.fail(failed.with_traceback(None))
            return
        for job, result, refusal in outcomes:
            job.succeed(result) if refusal is None else job.fail(refusal)

    async def _transaction(self, jobs: Sequence[_Job[Any]]) -> list[_Outcome]:
        return await self._lane.run(lambda connection: _transaction(connection, jobs, self._path))


def _transaction(connection: Connection, jobs: Sequence[_Job[Any]], path: Path) -> list[_Outcome]:
    """Run jobs in one transaction, in the lane's thread."""
    try:
        connection.begin()
        outcomes = _run(connection, jobs)
    except BaseException:
        _roll_back(connection)
        raise
    try:
        connection.commit()
    except DATABASE_ERRORS as error:
        _roll_back(connection)
        raise failure(path, error, committing=True) from error
    return outcomes


def _roll_back(connection: Connection) -> None:
    """Leave no transaction open, at the price of a new connection."""
    try:
        connection.rollback()
    except DATABASE_ERRORS:
        connection.invalidate()
        connection.rollback()


def _run(connection: Connection, jobs: Sequence[_Job[Any]]) -> list[_Outcome]:
    """Do jobs in their order; the changes of neighbours are made together."""
    outcomes: list[_Outcome] = []
    for is_work, group in groupby(jobs, key=lambda job: job.work is not None):
        some = list(group)
        if is_work:
            outcomes += [_do(connection, job) for job in some]
            continue
        for job, outcome in zip(some, apply(connection, [job.changes for job in some]), strict=True):
            refused = isinstance(outcome, DevbenchError)
            outcomes.append((job, None, outcome) if refused else (job, outcome, None))
    return outcomes


def _do(connection: Connection, job: _Job[Any]) -> _Outcome:
    try:
        return job, cast("Work[Any]", job.work)(connection), None
    except DevbenchError as refusal:
        return job, None, refusal


def _unknown(error: BaseException) -> bool:
    """Tell whether a commit failed in a way that leaves open what happened; it must not be tried again."""
    return isinstance(error, StoreFailed)
