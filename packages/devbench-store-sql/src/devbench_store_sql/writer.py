"""The one writer of this process: writes wait in a queue and are committed together.

A write belongs to the writer once it has begun: a caller that is cancelled leaves no transaction half done. Each
piece of work decides before it writes, so one that raises has written nothing and the others of its batch go on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar, cast

from devbench_core.contracts.store import Record
from devbench_core.errors import DevbenchError, StoreFailed
from devbench_core.logs import get_logger
from devbench_store_sql import connections
from devbench_store_sql.changes import apply
from devbench_store_sql.deciding import Checked
from devbench_store_sql.failures import failure, is_busy
from devbench_store_sql.jobs import Job, Jobs
from devbench_store_sql.lane import Lane
from devbench_store_sql.patience import patiently
from devbench_store_sql.settings import SqlSettings

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
log = get_logger(__name__)

PAGES_OF_A_COMMIT_BYTES = 24 * 1024
"""What a small transaction adds to the write-ahead log: the pages that it touches, as a whole."""

MUCH_BYTES = 4 * 1024 * 1024
"""So much written, and it is time to copy it from the log into the database."""

AHEAD_BYTES = 16 * 1024 * 1024
"""How much is written at most while that is done, so that the log's length has a bound on a slow disk, too."""


class _Job(Job[T]):
    def __init__(self, work: Work[T] | None, changes: Sequence[Checked] = (), size: int = 0) -> None:
        super().__init__(size)
        self.work = work
        self.changes = changes


_Outcome = tuple[_Job[Any], Any, "DevbenchError | None"]


class Writer:
    """Runs work in transactions, in order of arrival."""

    def __init__(self, lane: Lane, settings: SqlSettings, path: Path) -> None:
        self._lane = lane
        self._settings = settings
        self._path = path
        self._jobs: Jobs[_Job[Any]] = Jobs(settings, repr(str(path)))
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
        await self._jobs.put(job)
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

    async def run(self) -> None:
        """Work until `close`."""
        batch: list[_Job[Any]] = []
        last = False
        try:
            while not last:
                batch, last = await self._jobs.batch()
                if self._ahead >= AHEAD_BYTES:
                    await self._copied.wait()
                async with self._turn:
                    await self._finish([job for job in batch if not job.done.done()])
                self._count(batch)
        finally:
            self._jobs.end(*batch)

    async def close(self) -> None:
        """Refuse new writes and let `run` end after those that wait."""
        await self._jobs.close()

    def _count(self, batch: Sequence[_Job[Any]]) -> None:
        if not batch:
            return
        size = PAGES_OF_A_COMMIT_BYTES + sum(job.size for job in batch)
        self._ahead += size
        self._written += size
        if self._written >= MUCH_BYTES:
            self._written = 0
            self._much.set()

    async def _finish(self, jobs: Sequence[_Job[Any]]) -> None:
        """Do jobs together; when that fails, each by itself, so that none fails for another's size or mistake.

        Not so when another process is in the way, which would be waited for once per job.
        """
        if not jobs:
            return
        try:
            outcomes = await patiently(lambda: self._transaction(jobs), self._settings.busy_timeout_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, the writes that follow need this task
            if len(jobs) > 1 and not _unknown(error) and not is_busy(error):
                for job in jobs:
                    await self._finish([job])
                return
            for job in jobs:
                job.fail(self._failed(error))
            return
        for job, result, refusal in outcomes:
            job.succeed(result) if refusal is None else job.fail(refusal)

    def _failed(self, error: Exception) -> StoreFailed:
        if isinstance(error, StoreFailed):
            return error.with_traceback(None)
        if not isinstance(error, (sqlite3.Error, OSError)):
            log.error("store.write_failed", path=str(self._path), exc_info=error)
        failed = failure(self._path, error)
        failed.__cause__ = error
        return failed

    async def _transaction(self, jobs: Sequence[_Job[Any]]) -> list[_Outcome]:
        return await self._lane.run(lambda connection: self._in_lane(connection, jobs))

    def _in_lane(self, connection: sqlite3.Connection, jobs: Sequence[_Job[Any]]) -> list[_Outcome]:
        """Run jobs in one transaction, in the lane's thread."""
        try:
            connections.begin(connection)
            outcomes = _run(connection, jobs)
        except BaseException:
            self._roll_back(connection)
            raise
        try:
            connection.commit()
        except Exception as error:
            self._roll_back(connection)
            raise failure(self._path, error, committing=True) from error
        return outcomes

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Leave no transaction open, at the price of a new connection."""
        try:
            connection.rollback()
        except sqlite3.Error:
            self._lane.renew()


def _run(connection: sqlite3.Connection, jobs: Sequence[_Job[Any]]) -> list[_Outcome]:
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


def _do(connection: sqlite3.Connection, job: _Job[Any]) -> _Outcome:
    try:
        return job, cast("Work[Any]", job.work)(connection), None
    except DevbenchError as refusal:
        return job, None, refusal


def _unknown(error: BaseException) -> bool:
    """Tell whether a commit failed in a way that leaves open what happened; it must not be tried again."""
    return isinstance(error, StoreFailed)
