"""The journal against a plain list: whatever is written, refused, read, dropped and begun anew in whatever order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from devbench_core.contracts.store import Change, Record
from devbench_core.errors import StoreFailed
from devbench_core.journal.journal import CHUNK_MAX, Journal
from devbench_core.journal.log import find_end, log_name, read_chunks
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Chunk, StreamName

T = TypeVar("T")
MACHINE = settings(max_examples=30, stateful_step_count=30, deadline=None)
NAME = "x_1"
STREAMS = st.sampled_from(StreamName)
SMALL = st.binary(min_size=1, max_size=80)
DATA = st.one_of(SMALL, SMALL, SMALL, SMALL, st.sampled_from([b"y" * CHUNK_MAX, b"z" * (CHUNK_MAX - 1)]))
Byte = tuple[StreamName, int] | None
"""One byte of the agent's output with its stream, None for one that was dropped."""


class MoodyStore(MemoryStore):
    """Refuses the next change, before or after it is done."""

    mood = ""

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        mood, self.mood = self.mood, ""
        if mood == "refuses":
            raise StoreFailed("full")
        done = await super().apply(*changes)
        if mood == "does it and says nothing":
            raise StoreFailed("the answer was lost")
        return done


class JournalMachine(RuleBasedStateMachine):
    """Drives journals of one command, one host's after another's, and a list of what the agent said."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = MoodyStore()
        self.said: list[Byte] = []
        self.shown: list[Chunk] = []
        self.batch_bytes, self.memory_bytes = 2000, 2000
        self.journal = self.begin(0, 0)
        self.taken = 0

    def teardown(self) -> None:
        while not self.journal.is_clean:
            self.write("")
        self.look()
        assert self.everything() == self.said[: self.taken]
        self.loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def begin(self, seq: int, offset: int) -> Journal:
        return Journal(
            NAME,
            self.store,
            batch_bytes=self.batch_bytes,
            memory_bytes=self.memory_bytes,
            seq=seq,
            offset=offset,
        )

    @rule(stream=STREAMS, data=DATA)
    def output(self, stream: StreamName, data: bytes) -> None:
        """The agent says more, after what a restart made it repeat."""
        self.repeat(len(self.said))
        self.said += [(stream, byte) for byte in data]
        self.taken = len(self.said)
        self.journal.add(self.taken, stream, data)

    @rule(size=st.integers(1, 10**6))
    def gap(self, size: int) -> None:
        self.repeat(len(self.said))
        size = min(size, 300)
        self.said += [None] * size
        self.journal.add_gap(self.taken, len(self.said))
        self.taken = len(self.said)

    @rule(mood=st.sampled_from(["", "", "", "refuses", "does it and says nothing"]))
    def write(self, mood: str) -> None:
        """One batch goes to the store, or does not, or seems not to."""
        batch = self.journal.batch()
        if batch is None:
            return
        self.store.mood = mood
        try:
            self.run(self.store.apply(batch))
        except StoreFailed:
            assert self.journal.batch() == batch, "it is written again unchanged"
            return
        self.journal.written()

    @rule(batch=st.integers(300, 5000), memory=st.integers(0, 200_000))
    def restart(self, batch: int, memory: int) -> None:
        """The host dies; the next one begins where the store ends."""
        self.batch_bytes, self.memory_bytes = batch, memory
        seq, offset = self.run(find_end(self.store, log_name(NAME)))
        self.journal, self.taken = self.begin(seq, offset), offset

    @rule(upto=st.floats(0, 1))
    def resume(self, upto: float) -> None:
        """The agent repeats a part of what is not safe, cut as it likes."""
        self.repeat(self.taken + int(upto * (len(self.said) - self.taken)))

    @rule(after=st.floats(0, 1), max_bytes=st.integers(0, 300_000))
    def poll(self, after: float, max_bytes: int) -> None:
        """A reader with any cursor gets what was shown before, and as much as it wants."""
        self.look()
        cursor = int(after * self.journal.last_seq)
        found = self.run(self.journal.read(cursor, max_bytes))
        assert list(found) == self.shown[cursor : cursor + len(found)]
        assert bool(found) == (cursor < self.journal.last_seq)
        assert len(found) <= 1 or sum(len(chunk.data) for chunk in found) <= max_bytes

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.journal.memory_bytes <= max(self.memory_bytes, 0)

    @invariant()
    def what_is_safe_was_said(self) -> None:
        assert self.journal.durable_offset <= self.taken <= len(self.said)

    def repeat(self, upto: int) -> None:
        """Let the agent say again what this journal has not heard."""
        while self.taken < upto:
            kind = self.said[self.taken]
            end = self.taken + 1
            while end < upto and end - self.taken < CHUNK_MAX and self.alike(self.said[end], kind):
                end += 1
            if kind is None:
                self.journal.add_gap(self.taken, end)
            else:
                data = bytes(byte[1] for byte in self.said[self.taken : end] if byte)
                self.journal.add(end, kind[0], data)
            self.taken = end

    @staticmethod
    def alike(one: Byte, other: Byte) -> bool:
        return one is other is None or (one is not None and other is not None and one[0] is other[0])

    def look(self) -> None:
        """Read everything: what was shown once stays, whoever shows it."""
        found = list(self.run(read_chunks(self.store, log_name(NAME), 0, 10**9)))[: self.journal.last_seq]
        assert found[: len(self.shown)] == self.shown
        assert [chunk.seq for chunk in found] == list(range(1, len(found) + 1))
        self.shown = found

    def everything(self) -> list[Byte]:
        bytes_: list[Byte] = []
        for chunk in self.shown:
            bytes_ += [None] * chunk.lost_bytes or [(chunk.stream, byte) for byte in chunk.data]
            assert len(chunk.data) <= CHUNK_MAX
        return bytes_


TestTheJournal = JournalMachine.TestCase
TestTheJournal.settings = MACHINE
