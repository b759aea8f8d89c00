"""What is left of a purged command: that it was there, and why it is not any more."""

from __future__ import annotations

from datetime import datetime

from devbench_core.contracts.store import ABSENT, Put, Record, Store
from devbench_core.errors import ExecPurged
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen

KIND = "exec_purged"
UNFINISHED = "unfinished"
"""The word on the tombstone of a command whose output may still be in the store."""


@frozen
class Tombstone:
    """A purged command.

    Attributes:
        exec_id: Which.
        container_id: Where it ran.
        tenant: Whose it was.
        ended_at: When it had ended, UTC.
        purged_at: When its record and output went, UTC.
        setting: What asked for that.
        limit: The setting's value.
    """

    exec_id: str
    container_id: str
    tenant: str
    ended_at: datetime
    purged_at: datetime
    setting: str
    limit: float


def put(tombstone: Tombstone, *, finished: bool, revision: int = ABSENT) -> Put:
    """Return the change that writes a tombstone over the revision that it has now."""
    words = frozenset({f"container={tombstone.container_id}"})
    return Put(
        kind=KIND,
        key=tombstone.exec_id,
        data=to_json(tombstone),
        terms=words if finished else words | {UNFINISHED},
        expect=revision,
    )


def read(record: Record) -> Tombstone:
    """Return the tombstone of a record."""
    return from_json(Tombstone, record.data)


async def find(store: Store, exec_id: str, tenant: str) -> Tombstone | None:
    """Return the tombstone of a tenant's command."""
    record = await store.get(KIND, exec_id)
    found = None if record is None else read(record)
    return found if found is not None and found.tenant == tenant else None


def error_of(tombstone: Tombstone) -> ExecPurged:
    """Return the error for a command that was purged, naming when and why."""
    return ExecPurged(
        f"command {tombstone.exec_id!r} was purged at {tombstone.purged_at:%Y-%m-%d %H:%M:%S} UTC, as "
        f"{tombstone.setting} = {tombstone.limit:g} asks",
        hint="its record and output are gone; keep what you need, or have the setting raised",
        details={
            "exec_id": tombstone.exec_id,
            "container_id": tombstone.container_id,
            "ended_at": tombstone.ended_at.isoformat(),
            "purged_at": tombstone.purged_at.isoformat(),
            "setting": tombstone.setting,
            "limit": tombstone.limit,
        },
    )
