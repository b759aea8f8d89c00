"""Serves what other hosts were asked and this one alone can do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.store import Record, Remove, Store
from devbench_core.errors import Conflict, DevbenchError, NotFound, StoreFailed
from devbench_core.forwarding import records
from devbench_core.forwarding.records import Forwarded, State
from devbench_core.forwarding.settings import ForwardingLimits
from devbench_core.json_types import JsonObject
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller

log = get_logger(__name__)
LATE = timedelta(minutes=1)
"""Beyond its time, before a call is not served any more: clocks of hosts differ, and whoever waits takes it back."""
Handler = Callable[[JsonObject, Caller], Awaitable[JsonObject]]


class Server:
    """Takes calls for this host, each once, and answers them.

    Args:
        store: Carries the calls.
        clock: Where time comes from.
        limits: Bounds.
        tasks: Serves them.
        instance: This host.
        handlers: By operation.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: ForwardingLimits,
        tasks: asyncio.TaskGroup,
        instance: str,
        handlers: Mapping[str, Handler],
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._tasks = tasks
        self._instance = instance
        self._handlers = handlers
        self._serving: set[str] = set()

    async def round(self) -> None:
        """Begin with what is there for this host; what is too much at once waits for a later round."""
        room = self._limits.at_once - len(self._serving)
        if room <= 0:
            return
        terms = frozenset({records.to(self._instance)})
        page = await self._store.list(records.KIND, terms=terms, limit=room)
        for record in page.records:
            await self._take(record)

    async def _take(self, record: Record) -> None:
        try:
            call = records.read(record)
        except StoreFailed as error:
            log.warning("forwarding.unreadable", call=record.key, error=error.message)
            return
        if self._clock.now() >= call.expires_at + LATE:
            await self._store.apply(Remove(kind=records.KIND, key=call.id))  # of somebody who died
            return
        try:
            (taken,) = await self._store.apply(records.put(attrs.evolve(call, state=State.TAKEN)))
        except Conflict:
            return  # it was taken back
        if taken is None:
            raise StoreFailed(f"the store returned no record for {call.id!r}")
        self._serving.add(call.id)
        self._tasks.create_task(self._serve(records.read(taken)), name=f"serve {call.id}")

    async def _serve(self, call: Forwarded) -> None:
        try:
            answered = await self._answered(call)
            await self._store.apply(records.put(attrs.evolve(answered, state=State.ANSWERED)))
        except Conflict:
            log.info("forwarding.nobody_waits", call=call.id, operation=call.operation)
        except Exception:  # an error here would end all of this host's tasks
            log.exception("forwarding.failed", call=call.id, operation=call.operation)
        finally:
            self._serving.discard(call.id)

    async def _answered(self, call: Forwarded) -> Forwarded:
        handler = self._handlers.get(call.operation)
        try:
            if handler is None:
                raise NotFound(f"this host does not know {call.operation!r}", hint="it is of another version")
            return attrs.evolve(call, answer=await handler(call.arguments, call.caller))
        except DevbenchError as error:
            return attrs.evolve(call, failure=records.failure_of(error))
