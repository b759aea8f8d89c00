"""What stores may hold, in any form, for Hypothesis."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from hypothesis import strategies as st

from devbench_core.contracts.store import Append, LogEntry, Record
from devbench_core.contracts.store_powers import DumpItem
from devbench_core.json_types import JsonValue

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
NAMES = st.text(CHARACTERS, min_size=1, max_size=12) | st.sampled_from(
    ["a", "A", "ä", "z" * 200, "\U0001f600"]
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.lists(
    st.builds(
        Record,
        kind=NAMES,
        key=NAMES,
        revision=st.integers(1, 2**63 - 1),
        data=st.dictionaries(st.text(), VALUES, max_size=3),
        terms=st.frozensets(NAMES, max_size=4),
    ),
    unique_by=lambda record: (record.kind, record.key),
    max_size=8,
)
LOGS = st.dictionaries(
    NAMES,
    st.dictionaries(st.integers(1, 2**63 - 1), st.binary(max_size=60), min_size=1, max_size=5),
    max_size=3,
)


def items_of(records: list[Record], logs: dict[str, dict[int, bytes]]) -> list[DumpItem]:
    """Return records and logs in the order of a dump."""
    ordered = sorted(records, key=lambda record: (record.kind, record.key))
    items: list[DumpItem] = list(ordered)
    for log, entries in sorted(logs.items()):
        some = tuple([LogEntry(seq=seq, data=data) for seq, data in sorted(entries.items())])
        items.append(Append(log=log, entries=some))
    return items


async def each(items: Iterable[DumpItem]) -> AsyncGenerator[DumpItem]:
    """Give items as a dump does."""
    for item in items:
        yield item
