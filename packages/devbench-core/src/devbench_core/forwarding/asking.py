"""Hands a call to the host that can serve it, and waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum

from devbench_core.clock import Clock
from devbench_core.contracts.store import ABSENT, Remove, Store
from devbench_core.errors import Conflict, DevbenchError, OutcomeUnknown, StoreFailed, TimedOut
from devbench_core.forwarding import records
from devbench_core.forwarding.records import Forwarded, State
from devbench_core.forwarding.settings import ForwardingLimits
from devbench_core.ids import FORWARDED, new_id
from devbench_core.json_types import JsonObject
from devbench_core.logs import get_logger
from devbench_core.metrics import FORWARDED_CALLS
from devbench_core.model.caller import Caller

log = get_logger(__name__)
Alive = Callable[[str], Awaitable[bool]]
Undo = Callable[[JsonObject], Awaitable[None]]


class Untold(Enum):
    """Instead of an answer."""

    GONE = "the host died, and did nothing of it"


class Asker:
    """Asks other hosts.

    Args:
        store: Carries the calls.
        clock: Where time comes from.
        limits: Bounds.
        tasks: Takes back what nobody waits for any more.
        alive: Tells whether a host lives.
    """

    def __init__(
        self, store: Store, clock: Clock, limits: ForwardingLimits, tasks: asyncio.TaskGroup, alive: Alive
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._tasks = tasks
        self._alive = alive

    async def ask(
        self,
        to: str,
        operation: str,
        arguments: JsonObject,
        caller: Caller,
        wait_s: float = 0.0,
        undo: Undo | None = None,
    ) -> JsonObject | Untold:
        """Return a host's answer, or that it died without having begun: somebody else may serve the call then.

        Args:
            to: Which host.
            operation: What it shall do.
            arguments: For that.
            caller: In whose name.
            wait_s: How long the operation itself may wait.
            undo: Given the answer when whoever asked is cancelled after the host began.

        Raises:
            DevbenchError: What the other host raised.
            TimedOut: It did not answer, and did nothing.
            OutcomeUnknown: It did not answer, and may have done it.
        """
        within_s = wait_s + self._limits.margin_s
        call = Forwarded(
            id=new_id(FORWARDED),
            to=to,
            operation=operation,
            caller=caller,
            arguments=arguments,
            expires_at=self._clock.now() + timedelta(seconds=within_s),
        )
        try:
            await self._store.apply(records.put(call))
            found = await self._answer(call, self._clock.monotonic_s() + within_s)
        except asyncio.CancelledError:
            taking_back = self._take_back(call) if undo is None else self._undo(call, within_s, undo)
            self._tasks.create_task(taking_back, name=f"take back {call.id}")
            raise
        except (TimedOut, OutcomeUnknown):
            FORWARDED_CALLS.labels("timeout").inc()
            await self._take_back(call)
            raise
        except StoreFailed as error:  # it may be there, and be served
            FORWARDED_CALLS.labels("timeout").inc()
            raise await self._given_up(call, error) from error
        FORWARDED_CALLS.labels("gone" if isinstance(found, Untold) else "answered").inc()
        if isinstance(found, Untold):
            return found
        await self._take_back(call)
        if found.failure is not None:
            raise records.error_of(found.failure)
        return found.answer or {}

    async def _answer(self, call: Forwarded, deadline_s: float) -> Forwarded | Untold:
        is_last_look = False
        while True:
            await asyncio.sleep(self._limits.poll_s / 2)
            record = await self._store.get(records.KIND, call.id)
            if record is None:
                raise _unknown(call)
            seen = records.read(record)
            if seen.state is State.ANSWERED:
                return seen
            if is_last_look:
                raise _unknown(call)
            over = self._clock.monotonic_s() >= deadline_s
            if not over and await self._alive(call.to):
                continue
            if await self._taken_back(call):
                if over:
                    raise _silent(call)
                return Untold.GONE
            is_last_look = True  # it was taken; the answer may have come just now

    async def _taken_back(self, call: Forwarded) -> bool:
        """Tell whether nobody has begun with a call, and nobody will."""
        try:
            await self._store.apply(Remove(kind=records.KIND, key=call.id, expect=ABSENT + 1))
        except Conflict:
            return False
        return True

    async def _given_up(self, call: Forwarded, error: StoreFailed) -> DevbenchError:
        """Return the store's error where nothing was done for sure, else that it is not known."""
        try:
            return error if await self._taken_back(call) else _unknown(call)
        except StoreFailed:
            return _unknown(call)

    async def _undo(self, call: Forwarded, within_s: float, undo: Undo) -> None:
        """Take a call back, or have what came of it undone when the host has begun."""
        try:
            if await self._taken_back(call):
                return
            found = await self._answer(call, self._clock.monotonic_s() + within_s)
            await self._take_back(call)
            if isinstance(found, Forwarded) and found.answer is not None:
                await undo(found.answer)
        except Exception as error:  # noqa: BLE001 - an error here would end all of this host's tasks
            log.warning("forwarding.not_undone", call=call.id, error=str(error))
            await self._take_back(call)

    async def _take_back(self, call: Forwarded) -> None:
        """See that nobody begins with it, and that the answer of whoever has is not kept."""
        try:
            await self._store.apply(Remove(kind=records.KIND, key=call.id))
        except Exception as error:  # noqa: BLE001 - it expires; an error here would end all of this host's tasks
            log.warning("forwarding.not_taken_back", call=call.id, error=str(error))


def _silent(call: Forwarded) -> TimedOut:
    return TimedOut(
        f"host {call.to!r}, which alone can do this, does not answer; nothing was done",
        hint="try again: it may be busy, or about to be succeeded",
        details={"host": call.to, "setting": "forwarding.margin_s"},
    )


def _unknown(call: Forwarded) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"host {call.to!r} took the call and did not answer; whether it was done is not known",
        hint="look at the command's output before it is sent again",
        details={"host": call.to, "setting": "forwarding.margin_s"},
    )
