"""Tasks of calls that are a host's own work, as `spawn`: it ends with the host, and the task says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
from mcp import types

from devbench_core.errors import Conflict, DevbenchError, NotFound
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.tool import ProgressSink
from devbench_core.tools.call import ToolResult
from devbench_mcp.results import failure, success
from devbench_mcp.revisions import MODERN
from devbench_mcp.tasks import clock, records
from devbench_mcp.tasks.failures import failed
from devbench_mcp.tasks.records import Outcome, TaskRecord
from devbench_mcp.tasks.standing import Standing, ended

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 5.0
Answer = ToolResult | DevbenchError
Call = Callable[[ProgressSink], Awaitable[ToolResult]]


@attrs.define(eq=False)
class Doing:
    """Work under way on this host.

    Attributes:
        group: Owns it.
        task: Does it.
        asked: The progress of the call, until that is answered.
        abandoned: Set when this host ends, which is no cancel of its caller's.
        said: The last word about it.
        changed: Set at the next one, and at the end.
    """

    group: asyncio.TaskGroup
    task: asyncio.Task[Answer]
    asked: ProgressSink | None
    abandoned: asyncio.Event = attrs.field(factory=asyncio.Event)
    said: str = ""
    changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    def ring(self) -> None:
        """Wake those who wait for news."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class HostWork:
    """What this host does for tasks, and what is known of the work of others.

    Args:
        bench: The opened core.
        retention: How long the end of one is kept.
    """

    def __init__(self, bench: Bench, retention: timedelta) -> None:
        self._bench = bench
        self._retention = retention
        self._doing: dict[str, Doing] = {}
        self._all: set[Doing] = set()

    @property
    def kept(self) -> timedelta:
        """As long as the task: its result is in its record."""
        return self._retention

    def begin(self, group: asyncio.TaskGroup, tool: str, call: Call, asked: ProgressSink | None) -> Doing:
        """Begin with a call; until it is `adopt`ed it is whoever began it that must end it."""
        doing: Doing

        async def tell(done: float, total: float | None, message: str) -> None:
            doing.said = message
            doing.ring()
            if doing.asked is not None:
                await doing.asked(done, total, message)

        async def work() -> Answer:
            try:
                return await call(tell)
            except DevbenchError as error:  # an error here would end all tasks
                return error

        doing = Doing(group, group.create_task(work(), name=f"{tool} of a task"), asked)
        self._all.add(doing)
        doing.task.add_done_callback(lambda _: self._all.discard(doing))
        return doing

    def adopt(self, group: asyncio.TaskGroup, record: TaskRecord, doing: Doing) -> None:
        """See to it that the end of some work is written down with its task."""
        self._doing[record.id] = doing
        group.create_task(self._finish(record, doing), name=f"task {record.id}")

    def close(self, group: asyncio.TaskGroup) -> None:
        """Give up what a group owns: this host ends, and the next one tells so."""
        for doing in {*self._all, *self._doing.values()}:  # of some only the end is to be written down
            if doing.group is group:
                doing.abandoned.set()
                doing.task.cancel()

    async def look(self, record: TaskRecord) -> Standing:
        """Return where the work stands; that of a host which is gone has failed."""
        if record.outcome is not None:
            return ended(record.outcome)
        doing = self._doing.get(record.id)
        if doing is not None:
            return Standing(message=doing.said or f"{record.tool} is under way")
        if record.host != self._bench.instance and await self._bench.services.alive(record.host):
            return Standing(message=f"{record.tool} is under way on another host")
        return ended(await self._note(record, _lost(record)))

    async def result(self, record: TaskRecord) -> dict[str, Any]:
        """Return the result as it was written down."""
        found = await records.load(self._bench.store, record.id, record.owner)
        return dict(json.loads(found.outcome.payload)) if found.outcome is not None else {}

    async def news(self, record: TaskRecord, seen: object, wait_s: float) -> None:
        """Wait for progress or the end."""
        _ = seen
        doing = self._doing.get(record.id)
        waiting = asyncio.Event() if doing is None else doing.changed
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait_s, clock.LOOK_EVERY_S)):
                await waiting.wait()

    async def cancel(self, record: TaskRecord, caller: Caller) -> None:
        """Ask the host whose work it is to give it up."""
        _ = caller
        if record.outcome is None and record.cancelled_at is None:
            with suppress(Conflict):  # it ended, or was cancelled, at this moment
                await records.change(self._bench.store, attrs.evolve(record, cancelled_at=clock.now()))
        doing = self._doing.get(record.id)
        if doing is not None:
            doing.task.cancel()

    async def _finish(self, record: TaskRecord, doing: Doing) -> None:
        try:
            while not doing.task.done():
                await asyncio.wait([doing.task], timeout=clock.LOOK_EVERY_S)
                if not doing.task.done() and await self._is_cancelled(record):
                    doing.task.cancel()
            await self._note_surely(record, doing)
        except asyncio.CancelledError:
            doing.task.cancel()  # this host ends
            raise
        finally:
            self._doing.pop(record.id, None)
            doing.ring()

    async def _is_cancelled(self, record: TaskRecord) -> bool:
        try:
            found = await records.load(self._bench.store, record.id, record.owner)
        except NotFound:
            return True
        except Exception:  # a store's own fault; it is asked again
            log.exception("task.not_looked_at", task=record.id)
            return False
        return found.cancelled_at is not None

    async def _note_surely(self, record: TaskRecord, doing: Doing) -> None:
        """Write the end down, however long that takes; a host that ends tries once: the next reader tells that."""
        outcome, pause = _outcome(record, doing), RETRY_FIRST_S
        while True:
            try:
                await self._note(record, outcome)
            except NotFound:
                return
            except Exception:  # the store's; an error here would end all tasks
                log.exception("task.end_not_recorded", task=record.id)
                if doing.abandoned.is_set():
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await doing.abandoned.wait()
                pause = min(2 * pause, RETRY_MAX_S)
            else:
                return

    async def _note(self, record: TaskRecord, outcome: Outcome) -> Outcome:
        """Write the end down unless there is one; return which counts."""
        while True:
            found = await records.load(self._bench.store, record.id, record.owner)
            if found.outcome is not None:
                return found.outcome
            with suppress(Conflict):
                await records.change(self._bench.store, attrs.evolve(found, outcome=outcome))
                return outcome


def _outcome(record: TaskRecord, doing: Doing) -> Outcome:
    at, task = clock.now(), doing.task
    if task.cancelled() and doing.abandoned.is_set():
        return _lost(record)
    if task.cancelled():
        return Outcome(status="cancelled", message=f"{record.tool} was cancelled", at=at)
    error = task.exception()
    if error is not None:
        return failed(f"{record.tool} failed unexpectedly; the host's log tells more")
    answer = task.result()
    result = failure(answer) if isinstance(answer, DevbenchError) else success(answer, MODERN)
    message = answer.message if isinstance(answer, DevbenchError) else f"{record.tool} is done"
    return Outcome(status="completed", message=message, at=at, payload=json.dumps(wire(result)))


def _lost(record: TaskRecord) -> Outcome:
    return failed(
        f"the host ended while {record.tool} was under way; what it may have made is listed, or removed when nobody "
        "was promised it: look before you repeat it, or give an idempotency_key"
    )


def wire(result: types.CallToolResult) -> dict[str, Any]:
    """Return a result as it is sent."""
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)
