"""The writer of this process: writes wait in a queue and are committed together, on one connection.

A commit whose answer never came is asked for by the transaction's number, so that nothing is done twice and nothing is
called done that was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import asyncpg

from devbench_core.contracts.store import Record
from devbench_core.errors import DevbenchError, StoreFailed
from devbench_core.logs import get_logger
from devbench_store_sql.deciding import Checked, Outcome
from devbench_store_sql.jobs import Job, Jobs
from devbench_store_sql.postgres.address import Address
from devbench_store_sql.postgres.changes import apply
from devbench_store_sql.postgres.connections import IDLE_IN_TRANSACTION_S, PAUSE_S, Connection, anew, options
from devbench_store_sql.postgres.failures import ANEW, BROKEN, Errors, Raced, failure
from devbench_store_sql.postgres.metrics import CONNECTS
from devbench_store_sql.settings import SqlSettings

log = get_logger(__name__)


class _Job(Job[tuple[Record | None, ...]]):
    def __init__(self, changes: Sequence[Checked], size: int) -> None:
        super().__init__(size)
        self.changes = changes


class _Unanswered(Exception):
    """A commit was sent, and the connection broke."""

    def __init__(self, number: str, server: str, outcomes: tuple[Outcome, ...]) -> None:
        super().__init__(number)
        self.number = number
        self.server = server
        self.outcomes = outcomes


_NUMBER = "SELECT pg_current_xact_id()::text, pg_postmaster_start_time()::text"
_STATE = "SELECT pg_xact_status($1::text::xid8), pg_postmaster_start_time()::text"


def _is_of_content(cause: BaseException | None) -> bool:
    """Tell whether the database refused what was written, which is one call's, and not all of a batch."""
    return isinstance(cause, asyncpg.PostgresError) and not isinstance(cause, (*ANEW, *BROKEN))


class Writer:
    """Writes in order of arrival."""

    def __init__(self, settings: SqlSettings, address: Address) -> None:
        self._settings = settings
        self._address = address
        self._jobs: Jobs[_Job] = Jobs(settings, address.shown)
        self._connection: Connection | None = None

    async def apply(self, changes: Sequence[Checked], size: int) -> tuple[Record | None, ...]:
        """Have the changes of one call made and committed.

        Raises:
            Conflict: An expectation did not hold.
            StoreFailed: The database refused or cannot be reached.
        """
        job = _Job(changes, size)
        await self._jobs.put(job)
        return await job.done

    async def run(self) -> None:
        """Work until `close`."""
        batch: list[_Job] = []
        last = False
        try:
            while not last:
                batch, last = await self._jobs.batch()
                await self._finish([job for job in batch if not job.done.done()])
        finally:
            self._jobs.end(*batch)
            await self._give_up()

    async def close(self) -> None:
        """Refuse new writes and let `run` end after those that wait."""
        await self._jobs.close()

    async def _finish(self, jobs: Sequence[_Job]) -> None:
        """Do jobs together; when that fails for what is in them, each by itself."""
        if not jobs:
            return
        try:
            outcomes = await self._repeatedly(jobs)
        except Exception as error:
            if len(jobs) > 1 and _is_of_content(error.__cause__):
                for job in jobs:
                    await self._finish([job])
                return
            if not isinstance(error, StoreFailed):
                log.exception("store.write_failed", store=self._address.shown)
            for job in jobs:
                job.fail(error if isinstance(error, StoreFailed) else failure(self._address.shown, error))
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.fail(outcome) if isinstance(outcome, DevbenchError) else job.succeed(outcome)

    async def _repeatedly(self, jobs: Sequence[_Job]) -> Sequence[Outcome]:
        calls = [job.changes for job in jobs]
        raced = False

        async def attempt() -> Sequence[Outcome]:
            nonlocal raced
            try:
                return await self._transaction(calls, claim=raced)
            except Raced:
                raced = True
                raise
            except _Unanswered as unanswered:
                done = await self._what_became_of(unanswered)
                return unanswered.outcomes if done else await self._transaction(calls, claim=raced)

        try:
            return await anew(attempt, self._settings, self._address.shown)
        except _Unanswered as unanswered:  # and a second one in the same attempt
            raise StoreFailed(
                f"store {self._address.shown}: the connection broke while writing; outcome unknown"
            ) from unanswered

    async def _transaction(self, calls: Sequence[Sequence[Checked]], *, claim: bool) -> tuple[Outcome, ...]:
        connection = await self._connected()
        try:
            transaction = connection.transaction()
            await transaction.start()
            number, server = await connection.fetchrow(_NUMBER) or ("", "")
            outcomes = await apply(connection, calls, claim=claim)
        except BaseException:
            await self._give_up()  # rolls back, whatever state it is in
            raise
        try:
            await transaction.commit()
        except BROKEN as error:
            await self._give_up()
            raise _Unanswered(str(number), str(server), outcomes) from error
        except BaseException:
            await self._give_up()
            raise
        return outcomes

    async def _what_became_of(self, asked: _Unanswered) -> bool:
        """Tell whether a transaction was committed; the server may have to end it first.

        A server that was started again meanwhile may have given the number to another transaction: what it says of an
        unfinished one is true, but what it says of a committed one may be of the other.

        Raises:
            StoreFailed: The server does not tell; the outcome stays unknown.
        """
        deadline = (
            asyncio.get_running_loop().time() + IDLE_IN_TRANSACTION_S + self._settings.connect_timeout_s
        )

        async def ask() -> bool:
            connection = await self._connected()
            while True:
                state, server = await connection.fetchrow(_STATE, asked.number) or (None, "")
                if state != "in progress" or asyncio.get_running_loop().time() >= deadline:
                    break
                await asyncio.sleep(PAUSE_S)
            if state == "aborted":
                return False
            if state == "committed" and str(server) == asked.server:
                return True
            raise StoreFailed(
                f"store {self._address.shown} does not tell what became of a write",
                hint="read what was written, and repeat it where it is not there",
            )

        try:
            return await anew(ask, self._settings, self._address.shown)
        except StoreFailed as error:
            await self._give_up()
            raise StoreFailed(f"{error.message}; outcome unknown", hint=error.hint) from error

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(**options(self._settings, self._address))
            CONNECTS.labels("write").inc()
        return self._connection

    async def _give_up(self) -> None:
        """Close the connection; what is open on it is rolled back."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(*Errors, asyncio.TimeoutError):
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await connection.close()
