"""Tasks in the store. What is told of one comes from there and from the record of its command or shell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

import attrs

from devbench_core.contracts.store import ABSENT, Put, Record, Remove, Store
from devbench_core.errors import TaskNotFound
from devbench_core.execs.holds import hold, release
from devbench_core.ids import TASK, is_id
from devbench_core.model.caller import Caller
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen

KIND = "mcp_task"
PAGE = 200
Ended = Literal["completed", "cancelled", "failed"]


@frozen
class Outcome:
    """How a task ended whose end is written down with it.

    Attributes:
        status: As the protocol names it.
        message: One sentence about that.
        at: When, UTC.
        payload: JSON of the call's result, or of the error of a failed one; "" when there is neither, or when it comes
            from elsewhere.
    """

    status: str
    message: str
    at: datetime
    payload: str = ""


@frozen
class TaskRecord:
    """A call that was answered with a task.

    Attributes:
        id: Opaque, ``t_…``.
        tenant: Whose it is.
        subject: Who of the tenant called; nobody else sees it.
        tool: Which was called.
        exec_id: The command, or the shell; "" for work of a host.
        container_id: Where that is.
        run: The number of a shell's run, else 0.
        host: Whose work it is, where that ends with the host; else "".
        max_output_bytes: As the call said.
        replayed: Whether an earlier call with the same key had started the command.
        created_at: When the call was answered, UTC.
        cancelled_at: When its caller asked to end it, if that is not the end of a command.
        outcome: How it ended, where that is not told by a command's record.
        revision: The store's revision of this record.
    """

    id: str
    tenant: str
    subject: str
    tool: str = "run"
    exec_id: str = ""
    container_id: str = ""
    run: int = 0
    host: str = ""
    max_output_bytes: int = 0
    replayed: bool = False
    created_at: datetime
    cancelled_at: datetime | None = None
    outcome: Outcome | None = None
    revision: int = 0

    @property
    def owner(self) -> Caller:
        """Whose eyes its command is seen with."""
        return Caller(tenant=self.tenant, subject=self.subject)


async def create(store: Store, record: TaskRecord) -> TaskRecord:
    """Write a new task, and hold its command: its result was promised.

    Raises:
        StoreFailed: It could not be written.
    """
    holds = [hold(record.id, record.exec_id, record.container_id)] if record.exec_id else []
    saved, *_ = await store.apply(_put(record, ABSENT), *holds)
    return attrs.evolve(record, revision=saved.revision if saved else 0)


async def change(store: Store, record: TaskRecord) -> TaskRecord:
    """Write a task that was read.

    Raises:
        Conflict: It changed since; nothing was written.
        StoreFailed: It could not be written.
    """
    (saved,) = await store.apply(_put(record, record.revision))
    return attrs.evolve(record, revision=saved.revision if saved else 0)


async def load(store: Store, task_id: str, caller: Caller) -> TaskRecord:
    """Return a task of a caller.

    Raises:
        TaskNotFound: The caller has no such task.
    """
    found = await store.get(KIND, task_id) if is_id(task_id, TASK) else None
    record = None if found is None else read(found)
    if record is None or (record.tenant, record.subject) != (caller.tenant, caller.subject):
        raise not_found(task_id)
    return record


async def every(store: Store) -> AsyncIterator[TaskRecord]:
    """Iterate over the tasks of all."""
    cursor = ""
    while True:
        page = await store.list(KIND, after=cursor, limit=PAGE)
        for record in page.records:
            yield read(record)
        cursor = page.cursor
        if not cursor:
            return


async def remove(store: Store, task_id: str) -> None:
    """Forget a task and hold its command no longer; one that is not there is fine."""
    await store.apply(Remove(kind=KIND, key=task_id), release(task_id))


def read(record: Record) -> TaskRecord:
    """Return the task of a record."""
    return attrs.evolve(from_json(TaskRecord, record.data), revision=record.revision)


def not_found(task_id: str) -> TaskNotFound:
    """Return the error for a task that a caller does not have."""
    return TaskNotFound(
        f"no task {task_id[:80]!r}", hint="it is another caller's, or was forgotten some time after its end"
    )


def _put(record: TaskRecord, expect: int) -> Put:
    data = to_json(record)
    data["revision"] = 0  # the store's own number counts
    terms = frozenset({f"tenant={record.tenant}", f"exec={record.exec_id}"})
    return Put(kind=KIND, key=record.id, data=data, terms=terms, expect=expect)
