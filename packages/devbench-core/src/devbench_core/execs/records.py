"""Commands in the store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from devbench_core.contracts.store import Change, Put, Record, Store
from devbench_core.errors import ExecNotFound, StoreFailed
from devbench_core.execs import tombstones, words
from devbench_core.ids import EXEC, check_id
from devbench_core.json_types import JsonValue
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec, ExecEnding, ExecState
from devbench_core.records import from_json, to_json

KIND = words.KIND
LIVE = words.LIVE
ENDED = words.ENDED
PAGE = 200
STDIN = "stdin_bytes"  # beside the record's own fields: length of the input, or one of the next
NO_STDIN = None
OPEN_ENDED = -1  # the length of an input that stays open
CONTINUED = -2  # the same, and the next host goes on with it: a terminal's, a shell's


def put(record: Exec, stdin_bytes: int | None = NO_STDIN) -> Put:
    """Return the change that writes a command, expecting the revision it was read at."""
    data = to_json(record)
    data["revision"] = 0  # the store's own number counts
    del data["replayed"]  # belongs to an answer
    if stdin_bytes is not None:
        data[STDIN] = stdin_bytes
    return Put(kind=KIND, key=record.id, data=data, terms=terms_of(record), expect=record.revision)


def terms_of(record: Exec) -> frozenset[str]:
    """Return the words a command is found by."""
    return words.in_container(record.container_id, LIVE if record.ending is None else ENDED)


def read(record: Record) -> Exec:
    """Return the command of a record."""
    return attrs.evolve(from_json(Exec, record.data), revision=record.revision)


def stdin_bytes(record: Record) -> int | None:
    """Return the length of a command's input, -1 for an open-ended one, -2 for a terminal's, None for none."""
    value: JsonValue = record.data.get(STDIN)
    return value if isinstance(value, int) else None


def is_shell(record: Exec, stdin: int | None) -> bool:
    """Tell whether a command is a persistent shell: its input goes on, and is no terminal's."""
    return stdin == CONTINUED and not record.tty


async def save(store: Store, record: Exec, stdin: int | None = NO_STDIN, *also: Change) -> Exec:
    """Write a command, and something else together with it, and return it with its new revision.

    Raises:
        Conflict: It changed since it was read; nothing was written.
    """
    saved, *_ = await store.apply(put(record, stdin), *also)
    if saved is None:
        raise StoreFailed(f"the store returned no record for {record.id!r}")
    return attrs.evolve(record, revision=saved.revision)


async def load(store: Store, exec_id: str, caller: Caller) -> Record:
    """Return the record of a tenant's command.

    Raises:
        ValidationFailed: This is no id of a command.
        ExecPurged: The tenant had it; it is kept no longer.
        ExecNotFound: The tenant has no such command.
    """
    check_id(exec_id, EXEC, "exec_id")
    record = await store.get(KIND, exec_id)
    if record is None:
        tombstone = await tombstones.find(store, exec_id, caller.tenant)
        raise not_found(exec_id) if tombstone is None else tombstones.error_of(tombstone)
    if record.data.get("tenant") != caller.tenant:
        raise not_found(exec_id)
    return record


async def of_container(store: Store, container_id: str, *terms: str) -> AsyncIterator[Record]:
    """Iterate over the commands of a container that have all these words."""
    found_by = words.in_container(container_id, *terms)
    cursor = ""
    while True:
        page = await store.list(KIND, terms=found_by, after=cursor, limit=PAGE)
        for record in page.records:
            yield record
        cursor = page.cursor
        if not cursor:
            return


def ended(record: Exec, ending: ExecEnding) -> Exec:
    """Return a command with its ending."""
    return attrs.evolve(record, state=ExecState.ENDED, ending=ending)


def not_found(exec_id: str) -> ExecNotFound:
    """Return the error for a command that the caller does not have."""
    return ExecNotFound(f"no command {exec_id[:80]!r}", hint="exec ids come from starting a command")
