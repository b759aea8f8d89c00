"""The kit catches every seeded fault, and finds none where there is none."""

from __future__ import annotations

import re
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mutations.kinds import KINDS, SOUND
from mutations.matrix import AT_ONCE, rows
from mutations.trying import Tried, try_all

WAIT_S = 900
"""For a try's turn: others are before it."""

pytestmark = pytest.mark.timeout(WAIT_S)
FAULTS = [(kind, fault) for kind, faults in KINDS.items() for fault in faults]


def named(kind: str, fault: str) -> str:
    """Return a name for a test that a shell takes as one word."""
    return f"{kind}-{re.sub(r'[^a-z0-9]+', '-', fault.lower()).strip('-')}"


@pytest.fixture(scope="module")
def tried() -> Generator[Tried]:
    """All of them, being tried beside the tests that wait for one after the other.

    Each is tried with the clause that the page names first: what a busy machine does to another says nothing of it.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    yield try_all(pool, {fault: clauses[:1] for fault, clauses in rows().items()})
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_the_faults_are_seeded_into_keeps_the_whole_contract(kind: str, tried: Tried):
    assert tried[kind, SOUND].result()[SOUND] == []


@pytest.mark.parametrize(("kind", "fault"), FAULTS, ids=[named(*each) for each in FAULTS])
def test_a_fault_is_caught_as_the_page_says(kind: str, fault: str, tried: Tried):
    assert tried[kind, fault].result()[fault] == rows()[fault][:1]


def test_the_page_has_every_fault_and_no_other():
    assert set(rows()) - {"fault"} == {fault for _, fault in FAULTS}
    assert len(FAULTS) == len({fault for _, fault in FAULTS})
