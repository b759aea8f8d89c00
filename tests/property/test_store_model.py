"""Stores against a model: whatever is done in whatever order, a store answers as a dictionary would."""

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.store import Append, Fence, LogEntry, Put, Record, Remove, Store
from devbench_core.errors import Conflict, StaleToken
from devbench_core.json_types import JsonObject, JsonValue
from devbench_core.memory import plugin as memory
from devbench_store_sql import plugin as sql

T = TypeVar("T")
MACHINE = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
NAMES = st.sampled_from(["a", "b", "B", "ä", "a/1", "\U0001f600", "x" * 200])
KINDS = st.sampled_from(["kind", "other"])
TERMS = st.frozensets(st.sampled_from(["t", "u", "label:ä=\U0001f600"]))
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
DATA: st.SearchStrategy[JsonObject] = st.dictionaries(st.text(), VALUES, max_size=3)
EXPECT = st.none() | st.integers(0, 3)
PUTS = st.builds(Put, kind=KINDS, key=NAMES, data=DATA, terms=TERMS, expect=EXPECT)
REMOVES = st.builds(Remove, kind=KINDS, key=NAMES, expect=EXPECT)
CHANGES = st.lists(PUTS | REMOVES, max_size=4)
ENTRIES = st.lists(st.builds(LogEntry, seq=st.integers(1, 20), data=st.binary(max_size=20)), max_size=5)


class StoreMachine(RuleBasedStateMachine):
    """Drives one store and a model of it."""

    provider: Provider[Store]
    lasting: bool

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.records: dict[tuple[str, str], Record] = {}
        self.logs: dict[str, dict[int, bytes]] = {}
        self.fences: dict[str, int] = {}
        self.store: Store

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 30))

    @initialize()
    def open(self) -> None:
        folder = Path(self.folder.name)
        context = OpenContext(installation="", state_dir=folder, cache_dir=folder, clock=SystemClock())
        opening = self.provider.open(self.provider.settings(), context)
        self.store = self.run(self.stack.enter_async_context(opening))

    @rule(changes=CHANGES)
    def apply(self, changes: list[Put | Remove]) -> None:
        expected, after = self._applied(changes)
        if isinstance(expected, dict):
            with pytest.raises(Conflict) as caught:
                self.run(self.store.apply(*changes))
            assert caught.value.details == expected
        else:
            assert self.run(self.store.apply(*changes)) == expected
            self.records = after

    def _applied(
        self, changes: list[Put | Remove]
    ) -> tuple[tuple[Record | None, ...] | dict[str, object], dict[tuple[str, str], Record]]:
        """Return what the store must answer (or the details of its conflict), and the records afterwards."""
        after = dict(self.records)
        results: list[Record | None] = []
        for change in changes:
            present = after.pop((change.kind, change.key), None)
            found = present.revision if present else 0
            if change.expect not in {None, found}:
                return {"kind": change.kind, "key": change.key, "revision": found}, self.records
            record = None
            if isinstance(change, Put):
                record = Record(
                    kind=change.kind,
                    key=change.key,
                    revision=found + 1,
                    data=change.data,
                    terms=change.terms,
                )
                after[change.kind, change.key] = record
            results.append(record)
        return tuple(results), after

    @rule(changes=CHANGES, key=NAMES, token=st.integers(1, 5))
    def apply_fenced(self, changes: list[Put | Remove], key: str, token: int) -> None:
        greatest = self.fences.get(key, 0)
        if token < greatest:
            with pytest.raises(StaleToken) as caught:
                self.run(self.store.apply(Fence(key=key, token=token), *changes))
            assert caught.value.details == {"key": key, "token": token, "greatest": greatest}
            return
        expected, after = self._applied(changes)
        call = self.store.apply(*changes, Fence(key=key, token=token))
        if isinstance(expected, dict):
            with pytest.raises(Conflict):
                self.run(call)
            return
        assert self.run(call) == (*expected, None)
        self.records = after
        self.fences[key] = token

    @rule(kind=KINDS, key=NAMES)
    def get(self, kind: str, key: str) -> None:
        assert self.run(self.store.get(kind, key)) == self.records.get((kind, key))

    @rule(kind=KINDS, terms=TERMS, after=st.just("") | NAMES, limit=st.integers(1, 4))
    def list_page(self, kind: str, terms: frozenset[str], after: str, limit: int) -> None:
        matching = sorted(
            (record for record in self.records.values() if record.kind == kind and terms <= record.terms),
            key=lambda record: record.key,
        )
        beyond = [record for record in matching if record.key > after]
        page = self.run(self.store.list(kind, terms=terms, after=after, limit=limit))
        assert page.records == tuple(beyond[:limit])
        assert page.cursor == (beyond[limit - 1].key if len(beyond) > limit else "")

    @rule(log=NAMES, entries=ENTRIES)
    def append(self, log: str, entries: list[LogEntry]) -> None:
        self.run(self.store.apply(Append(log=log, entries=tuple(entries))))
        for entry in entries:
            self.logs.setdefault(log, {}).setdefault(entry.seq, entry.data)

    @rule(log=NAMES, after=st.integers(0, 21), limit=st.integers(1, 5))
    def read(self, log: str, after: int, limit: int) -> None:
        kept = self.logs.get(log, {})
        expected = [LogEntry(seq=seq, data=kept[seq]) for seq in sorted(kept) if seq > after]
        assert self.run(self.store.read(log, after=after, limit=limit)) == tuple(expected[:limit])

    @rule(log=NAMES)
    def drop(self, log: str) -> None:
        self.run(self.store.drop(log))
        self.logs.pop(log, None)

    @rule()
    def reopen(self) -> None:
        if self.lasting:
            self.run(self.stack.aclose())
            self.open()

    @invariant()
    def every_record_is_there(self) -> None:
        for kind in ("kind", "other"):
            page = self.run(self.store.list(kind, limit=1000))
            assert {record.key: record for record in page.records} == {
                key: record for (of, key), record in self.records.items() if of == kind
            }

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()


class MemoryMachine(StoreMachine):
    provider = memory.devbench_stores()[0]
    lasting = False


class SqlMachine(StoreMachine):
    provider = sql.devbench_stores()[0]
    lasting = True


TestMemoryStore = MemoryMachine.TestCase
TestMemoryStore.settings = MACHINE
TestSqlStore = SqlMachine.TestCase
TestSqlStore.settings = MACHINE
