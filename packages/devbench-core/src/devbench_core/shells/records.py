"""Shells in the store, beside the commands that they are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from devbench_core.contracts.store import Put, Record, Store
from devbench_core.errors import ShellNotFound, StoreFailed
from devbench_core.ids import EXEC, check_id
from devbench_core.model.caller import Caller
from devbench_core.model.shell import Shell
from devbench_core.records import from_json, to_json
from devbench_core.shells.settings import SHELL_KIND

KIND = SHELL_KIND
LIVE, ENDED = "live", "ended"
PAGE = 200


def read(record: Record) -> Shell:
    """Return the shell of a record."""
    return attrs.evolve(from_json(Shell, record.data), revision=record.revision)


async def save(store: Store, shell: Shell) -> Shell:
    """Write a shell and return it with its new revision.

    Raises:
        Conflict: It changed since it was read; nothing was written.
    """
    data = to_json(shell)
    data["revision"] = 0  # the store's own number counts
    terms = frozenset({f"container={shell.container_id}", ENDED if shell.ended else LIVE})
    (saved,) = await store.apply(Put(kind=KIND, key=shell.id, data=data, terms=terms, expect=shell.revision))
    if saved is None:
        raise StoreFailed(f"the store returned no record for {shell.id!r}")
    return attrs.evolve(shell, revision=saved.revision)


async def load(store: Store, shell_id: str, caller: Caller) -> Shell:
    """Return a tenant's shell.

    Raises:
        ValidationFailed: This is no id of a shell.
        ShellNotFound: The tenant has no such shell.
    """
    check_id(shell_id, EXEC, "shell_id")
    record = await store.get(KIND, shell_id)
    if record is None or record.data.get("tenant") != caller.tenant:
        raise not_found(shell_id)
    return read(record)


async def all_of(store: Store, *terms: str) -> AsyncIterator[Shell]:
    """Iterate over the shells that have all these words."""
    cursor = ""
    while True:
        page = await store.list(KIND, terms=frozenset(terms), after=cursor, limit=PAGE)
        for record in page.records:
            yield read(record)
        cursor = page.cursor
        if not cursor:
            return


def not_found(shell_id: str) -> ShellNotFound:
    """Return the error for a shell that the caller does not have."""
    return ShellNotFound(f"no shell {shell_id[:80]!r}", hint="shell ids come from opening a shell")
