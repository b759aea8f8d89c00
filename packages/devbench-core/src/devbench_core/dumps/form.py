"""What the lines of a dump are."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, cast

import attrs

from devbench_core.contracts.checks import encode
from devbench_core.contracts.store import Append, LogEntry, Record
from devbench_core.contracts.store_powers import DumpItem

FORMAT = "devbench-dump"
VERSION = 1
LINE_MAX_BYTES = 64 * 1024 * 1024
"""So much is held in memory at most; who writes refuses what nobody could read."""
LOG_LINE_BYTES = 256 * 1024
LOG_LINE_ENTRIES = 1000
"""Where the entries of a log begin a new line: after so many bytes, or so many of them."""


@attrs.define(kw_only=True)
class Counts:
    """How much of a dump went through so far."""

    records: int = 0
    logs: int = 0
    entries: int = 0
    _log: str = attrs.field(default="", init=False, repr=False)

    def add(self, item: DumpItem) -> None:
        """Count an item; logs come one after the other."""
        if isinstance(item, Record):
            self.records += 1
            return
        self.logs += item.log != self._log
        self._log = item.log
        self.entries += len(item.entries)

    def values(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {"records": self.records, "logs": self.logs, "entries": self.entries}


def line_of(item: DumpItem) -> bytes:
    """Return an item as a line, in plain ASCII."""
    if isinstance(item, Record):
        head = {
            "kind": item.kind,
            "key": item.key,
            "revision": item.revision,
            "terms": sorted(item.terms),
        }
        return f'{_text(head)[:-1]},"data":{encode(item.data)}}}\n'.encode("ascii")
    entries = [[entry.seq, base64.b64encode(entry.data).decode("ascii")] for entry in item.entries]
    return f"{_text({'log': item.log, 'entries': entries})}\n".encode("ascii")


def item_of(values: dict[str, Any]) -> DumpItem:
    """Return the item of a line.

    Raises:
        ValueError: It is none.
    """
    try:
        if set(values) == {"log", "entries"}:
            entries = cast("list[Any]", values["entries"])
            return Append(log=_is(values["log"], str), entries=tuple([_entry(*each) for each in entries]))
        if set(values) == {"kind", "key", "revision", "terms", "data"}:
            return Record(
                kind=_is(values["kind"], str),
                key=_is(values["key"], str),
                revision=_is(values["revision"], int),
                terms=frozenset(_is(term, str) for term in _is(values["terms"], list)),
                data=_is(values["data"], dict),
            )
    except (TypeError, binascii.Error) as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"it has the fields {', '.join(values) or 'of nothing'}")


def _entry(seq: object, data: object) -> LogEntry:
    return LogEntry(seq=_is(seq, int), data=base64.b64decode(_is(data, str), validate=True))


def _is(value: object, sort: type[Any]) -> Any:
    if type(value) is not sort:
        raise TypeError(f"{type(value).__name__} instead of {sort.__name__}")
    return value


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
