"""Strategies: random file operations, and what befalls them."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from harness.file_model import PATHS, Batch, Copy, Delete, Edit, Mkdir, Move, Operation, Write


@attrs.frozen
class Crash:
    """All is killed so many turns of the loop after an operation was begun."""

    operation: Operation
    turns: int


@attrs.frozen
class NoSpace:
    """So little is free while an operation is tried: pages of content, or files and folders."""

    operation: Operation
    pages: int | None
    nodes: int | None


PATH = st.sampled_from(PATHS)
DATA = st.sampled_from([b"", b"x", b"1 x 2", b"xx", b"\xff\x00", b"z" * 70_000])
WRITE = st.builds(
    Write, PATH, DATA, st.sampled_from(["any", "new", "match", "stale", "append"]), st.booleans()
)


@st.composite
def of_two(draw: st.DrawFn, kind: type[Move | Copy], *, overwrite: bool | None = None) -> Move | Copy:
    """A move or copy between different paths."""
    source = draw(PATH)
    target = draw(PATH.filter(lambda other: other != source))
    return kind(source, target, draw(st.booleans()) if overwrite is None else overwrite)


def as_tuple(steps: list[Write | Delete | Move]) -> tuple[Write | Delete | Move, ...]:
    return tuple(steps)


PLAIN_WRITE = st.builds(Write, PATH, DATA, st.sampled_from(["any", "new"]), st.booleans())
DELETE = st.builds(Delete, PATH, st.booleans())
BATCHED: st.SearchStrategy[Write | Delete | Move] = st.one_of(
    PLAIN_WRITE, DELETE, st.builds(Move, PATH, PATH, st.just(False)).filter(lambda move: move.path != move.to)
)
OPERATION: st.SearchStrategy[Operation] = st.one_of(
    WRITE,
    WRITE,
    st.builds(Edit, PATH),
    DELETE,
    st.builds(Mkdir, PATH, st.booleans()),
    of_two(Move),
    of_two(Copy),
    st.builds(Batch, st.lists(BATCHED, min_size=1, max_size=4).map(as_tuple)),
)
CRASH = st.builds(Crash, OPERATION, st.integers(1, 12))
NO_SPACE = st.one_of(
    st.builds(NoSpace, OPERATION, st.integers(0, 20), st.none()),
    st.builds(NoSpace, OPERATION, st.none(), st.integers(0, 6)),
)


def steps(*befalls: st.SearchStrategy[Crash] | st.SearchStrategy[NoSpace]) -> st.SearchStrategy[list[Step]]:
    """Return operations, a third of which something befalls."""
    return st.lists(st.one_of(OPERATION, *befalls, *befalls, *befalls), min_size=6, max_size=30)


Step = Operation | Crash | NoSpace
