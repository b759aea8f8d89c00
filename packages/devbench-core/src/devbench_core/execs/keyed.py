"""Starts with an idempotency key: the command runs once, however often and on whichever host it is asked for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import attrs

from devbench_core.contracts.store import Change, Record
from devbench_core.errors import Conflict, ContainerExited, ExecNotFound, ExecPurged
from devbench_core.execs import endings, foreign, records
from devbench_core.execs.context import ExecContext
from devbench_core.execs.directory import directory_of
from devbench_core.execs.flights import Flight, Flights
from devbench_core.execs.run import Run
from devbench_core.execs.slots import Crowded
from devbench_core.execs.starting import Starter
from devbench_core.execs.validate import start_of
from devbench_core.idempotency import KIND as KEY_KIND
from devbench_core.idempotency import Claim, Key, Keys, check_text, different
from devbench_core.json_types import JsonObject
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec, ExecRequest, ExecState
from devbench_core.records import to_json

ATTEMPTS = 5
"""How often a claim may change hands while one caller looks at it."""
DIGEST_IN_THREAD_BYTES = 1 << 20
Find = Callable[[str, Caller], Awaitable[Run | Record]]
Begin = Callable[[Claim, float], Awaitable[Exec]]
"""With how long it may wait for a slot, in seconds."""


class KeyedStarts:
    """Starts commands that have a key.

    The claim of the key and the command's record are one change, made before the command is sent. So a claim always
    has a record, which tells what became of the command, as every other record does. A command that certainly never
    ran leaves its key free.

    Args:
        context: The collaborators.
        starter: Starts what is new.
        find: Returns a tenant's command; one that nobody follows is adopted.
    """

    def __init__(self, context: ExecContext, starter: Starter, find: Find) -> None:
        self._context = context
        self._starter = starter
        self._find = find
        self._keys = Keys(context.store, context.clock, context.limits.idempotency_ttl_s, "exec")
        self._flights = Flights(context.tasks)

    def close(self) -> None:
        """Give up starts that have claimed nothing yet."""
        self._flights.close()

    async def start(
        self, container: str, request: ExecRequest, text: str, *, open_stdin: bool, caller: Caller
    ) -> Exec:
        """Start a command, or return the one that the key stands for, with ``replayed`` set.

        Raises:
            Conflict: The key stands for a different request; the message names it.
        """
        check_text(text)
        start_of(request, "", self._context.limits)
        directory_of(request, self._context.file_limits)
        try:
            found = await self._context.resolve(container, caller)
        except ContainerExited:  # what was started in it can still be told
            found = await self._context.find(container, caller)
        what = await _described(request, open_stdin=open_stdin)
        key = Key.of(text, what, caller, "exec", found.id)
        flight = self._flights.get(key.record_key)
        if flight is not None:
            if flight.fingerprint != key.fingerprint:
                raise different(key, {})
            return attrs.evolve(await self._flights.join(key.record_key, flight), replayed=True)

        async def work(flight: Flight) -> Exec:
            begin = self._beginner(flight, key, found.id, request, open_stdin=open_stdin, caller=caller)
            return await self._once(key, begin, caller, request.queue_s)

        flight = self._flights.begin(key.record_key, key.fingerprint, work)
        return await self._flights.join(key.record_key, flight)

    def _beginner(
        self,
        flight: Flight,
        key: Key,
        container_id: str,
        request: ExecRequest,
        *,
        open_stdin: bool,
        caller: Caller,
    ) -> Begin:
        """Return what starts the command in place of what a claim was found to stand for."""

        async def begin(claim: Claim, queue_s: float) -> Exec:
            def take(exec_id: str) -> Change:
                flight.is_bound = True  # from here on the claim may be in the store
                return self._keys.take(key, exec_id, claim)

            wanted = attrs.evolve(request, queue_s=queue_s)
            try:
                return await self._starter.start(
                    container_id, wanted, open_stdin=open_stdin, caller=caller, claim=take
                )
            except Crowded as crowded:
                flight.is_bound = False  # the claim stands for what never ran, so it is nobody's
                if not flight.waiting:
                    raise crowded.error from None
                raise

        return begin

    async def _once(self, key: Key, begin: Begin, caller: Caller, queue_s: float) -> Exec:
        deadline_s, attempts = self._context.clock.monotonic_s() + queue_s, 0
        while attempts < ATTEMPTS:
            attempts += 1
            claim = await self._keys.look(key)
            if claim.holder:
                known = await self._known(key, claim.holder, caller)
                if known is not None:
                    return attrs.evolve(known, replayed=True)
            rest_s = max(0.0, deadline_s - self._context.clock.monotonic_s())
            try:
                return await begin(claim, rest_s)
            except Conflict as conflict:
                if conflict.details.get("kind") != KEY_KIND:
                    raise
            except Crowded as crowded:
                if rest_s <= 0:
                    raise crowded.error from None
                attempts = 0
                await asyncio.sleep(min(self._context.limits.slot_look_s, rest_s))
        raise Conflict(
            f"idempotency key {key.text!r} is claimed again and again by starts that fail",
            hint="look at their endings with exec_list",
        )

    async def _known(self, key: Key, exec_id: str, caller: Caller) -> Exec | None:
        try:
            return await self._outcome(exec_id, caller)
        except (ExecPurged, ExecNotFound) as error:  # a claim has a record, until that is purged
            raise ExecPurged(
                f"command {exec_id!r}, which idempotency key {key.text!r} stands for, was purged",
                hint="use a new key to run it again",
                details={"exec_id": exec_id, **error.details},
            ) from error

    async def _outcome(self, exec_id: str, caller: Caller) -> Exec | None:
        """Return a command that was claimed before, once it is known whether it started; None if it never ran."""
        clock = self._context.clock
        deadline = clock.monotonic_s() + self._context.limits.poll_max_wait_s
        while True:
            found = await self._find(exec_id, caller)
            rest_s = deadline - clock.monotonic_s()
            if isinstance(found, Run) and rest_s > 0:
                await asyncio.wait([found.begun], timeout=rest_s)
            record = found.record if isinstance(found, Run) else records.read(found)
            if record.ending is not None and endings.never_ran(record.ending):
                return None
            if record.state is not ExecState.STARTING or rest_s <= 0:
                return record
            await foreign.pause(rest_s)


async def _described(request: ExecRequest, *, open_stdin: bool) -> JsonObject:
    """Return all that makes it another request; how long it may wait for a slot does not."""
    plain = to_json(attrs.evolve(request, stdin=None, queue_s=0.0))
    return plain | {"open_stdin": open_stdin, "stdin": await _digest(request.stdin)}


async def _digest(data: bytes | None) -> str | None:
    if data is None or len(data) < DIGEST_IN_THREAD_BYTES:
        return None if data is None else hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
