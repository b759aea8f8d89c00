"""Looking for texts and expressions in output that comes in pieces."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.errors import ValidationFailed
from devbench_core.model.shell import ShellMatch
from devbench_core.shells.patterns import MATCH_MAX, PATTERN_MAX, Finder, wanted
from devbench_core.shells.regex import GROUPS_MAX, PROGRAM_MAX
from devbench_core.shells.settings import PATTERNS_MAX, ShellLimits

MIB = 1024 * 1024
LOOKBACK = ShellLimits().lookback_bytes


@pytest.fixture(scope="module", name="executor")
def an_executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


async def found_in(
    executor: ThreadPoolExecutor,
    pieces: Iterable[bytes],
    texts: Sequence[str] = (),
    regexes: Sequence[str] = (),
    lookback: int = LOOKBACK,
) -> ShellMatch | None:
    finder = Finder(wanted(texts, regexes), lookback, executor)
    for piece in pieces:
        match = await finder.feed(piece)
        if match is not None:
            return match
    return None


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


async def test_an_expression_is_found_wherever_the_output_is_cut(executor: ThreadPoolExecutor):
    match = await found_in(
        executor, bytewise(b"user@host:~/work$ "), regexes=[r"(\w+)@(\w+):(\S+)(\d)?[$#] $"]
    )
    assert match is not None
    assert (match.text, match.groups) == ("user@host:~/work$ ", ("user", "host", "~/work", None))


@given(cuts=st.lists(st.integers(0, 40), max_size=8))
@settings(deadline=None, max_examples=60)
async def test_characters_of_several_bytes_may_be_cut_too(executor: ThreadPoolExecutor, cuts: list[int]):
    whole = "größe: 12 €; ende".encode()
    edges = sorted({0, len(whole), *[min(cut, len(whole)) for cut in cuts]})
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    match = await found_in(executor, pieces, regexes=["gr[öü]ße: \\d+ €;"])
    assert match is not None
    assert match.text == "größe: 12 €;"


async def test_bytes_that_are_no_text_neither_match_nor_hide_a_match(executor: ThreadPoolExecutor):
    match = await found_in(executor, [b"\xff\xfe\x80ok\xff> "], regexes=["ok", "never"])
    assert match is not None
    assert match.text == "ok"


async def test_what_matches_in_as_many_bytes_as_the_look_back_is_found_in_pieces(
    executor: ThreadPoolExecutor,
):
    pieces = bytewise(b"before(" + b"x" * 98 + b")")
    assert await found_in(executor, pieces, regexes=[r"\(x+\)"], lookback=100) is not None
    assert await found_in(executor, pieces, regexes=[r"\(x+\)"], lookback=99) is None


async def test_a_beginning_is_that_of_the_reading_and_not_of_what_is_remembered(
    executor: ThreadPoolExecutor,
):
    assert await found_in(executor, bytewise(b"y" * 300 + b"x"), regexes=["^x"], lookback=64) is None
    lines = bytewise(b"y" * 300 + b"\nx")
    assert await found_in(executor, lines, regexes=["(?m)^x"], lookback=64) is not None
    assert await found_in(executor, bytewise(b"y" * 300 + b"x"), regexes=[r"\bx"], lookback=64) is None


async def test_of_several_the_one_that_begins_first_is_told_and_of_those_the_first_named(
    executor: ThreadPoolExecutor,
):
    match = await found_in(executor, [b"one two"], texts=["two"], regexes=["tw", "o.e"])
    assert match == ShellMatch(pattern="o.e", is_regex=True, text="one")
    match = await found_in(executor, [b"one two"], texts=["two"], regexes=["tw"])
    assert match == ShellMatch(pattern="two", is_regex=False, text="two")


async def test_plain_texts_are_plain(executor: ThreadPoolExecutor):
    assert await found_in(executor, [b"abc"], texts=["a.c"]) is None
    match = await found_in(executor, bytewise(b"is a.c there"), texts=["a.c"])
    assert match is not None


@pytest.mark.parametrize("source", ["(a+)+$", "(a|a)+$", "(a|aa)+$", "(.*)*x", "(a?){100}a{100}x"])
async def test_no_expression_runs_away_on_a_mebibyte(executor: ThreadPoolExecutor, source: str):
    begun = time.monotonic()
    found = await found_in(executor, [b"a" * MIB + b"b"], regexes=[source])
    assert found is None
    assert time.monotonic() - begun < 30.0  # any backtracking one takes longer than the universe


async def test_a_match_of_a_mebibyte_is_told_in_a_few_words(executor: ThreadPoolExecutor):
    match = await found_in(executor, [b"a" * MIB], regexes=["((a+)+)$"])
    assert match is not None
    assert (match.text, match.groups[0]) == ("a" * MATCH_MAX, "a" * MATCH_MAX)


@pytest.mark.parametrize(
    ("texts", "regexes", "field", "said"),
    [
        (["x"] * (PATTERNS_MAX + 1), [], "until", "at most"),
        ([""], [], "until", "characters"),
        ([], [""], "until_regex", "characters"),
        ([], ["x" * (PATTERN_MAX + 1)], "until_regex", "characters"),
        ([], ["(never closed"], "until_regex", "missing )"),
        ([], [r"(a)\1"], "until_regex", "invalid escape"),
        ([], ["(?=ahead)"], "until_regex", "invalid"),
        ([], ["x*"], "until_regex", "nothing at all"),
        ([], ["$"], "until_regex", "nothing at all"),
        ([], [r"(\pL{1,400}c)"], "until_regex", "too large"),
        ([], ["[ab]{1000}"] * 3, "until_regex", "too complex"),
        ([], ["(x)" * (GROUPS_MAX + 1)], "until_regex", "groups"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_by_its_name(
    texts: list[str], regexes: list[str], field: str, said: str
):
    with pytest.raises(ValidationFailed, match=said.replace("(", r"\(").replace(")", r"\)")) as refused:
        wanted(texts, regexes)
    assert refused.value.details["field"] == field


async def test_the_worst_that_is_allowed_ends_soon(executor: ThreadPoolExecutor):
    source = "((a?b?){330})d$"
    assert 0.9 * PROGRAM_MAX < wanted([], [source]).expressions[0][1].programsize <= PROGRAM_MAX
    begun = time.monotonic()
    assert await found_in(executor, [b"ab" * 48 * 1024], regexes=[source]) is None
    assert time.monotonic() - begun < 20.0
