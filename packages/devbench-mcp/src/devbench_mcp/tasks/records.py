"""Tasks in the store. Everything else that is told of them comes from their commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import attrs

from devbench_core.contracts.store import ABSENT, Put, Record, Remove, Store
from devbench_core.errors import TaskNotFound
from devbench_core.ids import TASK, is_id
from devbench_core.model.caller import Caller
from devbench_core.records import from_json, to_json

KIND = "mcp_task"
PAGE = 200


@attrs.frozen(kw_only=True)
class TaskRecord:
    """A call that was answered with a task.

    Attributes:
        id: Opaque, ``t_…``.
        tenant: Whose it is.
        subject: Who of the tenant called; nobody else sees it.
        exec_id: The command.
        max_output_bytes: As the call said.
        created_at: When the call was answered, UTC.
    """

    id: str
    tenant: str
    subject: str
    exec_id: str
    max_output_bytes: int
    created_at: datetime

    @property
    def owner(self) -> Caller:
        """Whose eyes its command is seen with."""
        return Caller(tenant=self.tenant, subject=self.subject)


async def create(store: Store, record: TaskRecord) -> None:
    """Write a new task.

    Raises:
        StoreFailed: It could not be written.
    """
    terms = frozenset({f"tenant={record.tenant}", f"exec={record.exec_id}"})
    await store.apply(Put(kind=KIND, key=record.id, data=to_json(record), terms=terms, expect=ABSENT))


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
    """Forget a task; one that is not there is fine."""
    await store.apply(Remove(kind=KIND, key=task_id))


def read(record: Record) -> TaskRecord:
    """Return the task of a record."""
    return from_json(TaskRecord, record.data)


def not_found(task_id: str) -> TaskNotFound:
    """Return the error for a task that a caller does not have."""
    return TaskNotFound(
        f"no task {task_id[:80]!r}", hint="it is another caller's, or was forgotten some time after its end"
    )
