"""A store in one file that survives a kill: every change is a line that is written before the call returns."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

from devbench_core.contracts.store import Append, Change, Fence, LogEntry, Put, Record, Remove
from devbench_core.memory.store import MemoryStore


class FileStore(MemoryStore):
    """The in-memory store behind a list of its changes; one process at a time. Made by `FileStore.from_file`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @classmethod
    async def from_file(cls, path: Path) -> FileStore:
        """Open a store with what was written to it before."""
        store = cls(path)
        for line in (await asyncio.to_thread(path.read_bytes)).split(b"\n")[:-1]:
            await store._replay(json.loads(line))
        return store

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        results = await super().apply(*changes)
        self._write([_to_json(change) for change in changes])
        return results

    def _write(self, changes: list[dict[str, Any]]) -> None:
        os.write(self._file, json.dumps(changes).encode() + b"\n")

    async def _replay(self, changes: list[dict[str, Any]]) -> None:
        await MemoryStore.apply(self, *(_from_json(one) for one in changes))


def _to_json(change: Change) -> dict[str, Any]:
    if isinstance(change, Append):
        return {
            "log": change.log,
            "entries": [[e.seq, base64.b64encode(e.data).decode()] for e in change.entries],
        }
    if isinstance(change, Fence):
        return {"fence": change.key, "token": change.token}
    base: dict[str, Any] = {"kind": change.kind, "key": change.key}
    return base | {"data": change.data, "terms": sorted(change.terms)} if isinstance(change, Put) else base


def _from_json(change: dict[str, Any]) -> Change:
    if "log" in change:
        entries = tuple(LogEntry(seq=seq, data=base64.b64decode(data)) for seq, data in change["entries"])
        return Append(log=change["log"], entries=entries)
    if "fence" in change:
        return Fence(key=change["fence"], token=change["token"])
    if "data" not in change:
        return Remove(kind=change["kind"], key=change["key"])
    return Put(kind=change["kind"], key=change["key"], data=change["data"], terms=frozenset(change["terms"]))
