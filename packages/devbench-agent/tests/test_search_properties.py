"""The agent's engines against others: expressions against Python's, patterns of names against a translation to them."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_process import Agent
from agent_search import IGNORE_CASE, LITERAL, WORD, InvalidPattern, find, grep
from agent_wire import Channel

Decorator = Callable[[Callable[..., None]], Callable[..., None]]
SEVERAL: Decorator = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ATOMS = st.sampled_from(
    [
        *("a", "b", "ab", "c", "é", "漢", ".", "_", "1", " ", "-", "[ab]", "[^a]", "[b-d1]", "[^é]", "[à-ü]"),
        *(r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\b", "^", "$", r"\.", r"\x61", "(?:)"),
    ]
)
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "{,3}", "*?", "+?", "??"])
TEXTS = st.lists(st.text(alphabet="aabbccdé漢Aü_1 -.\t", max_size=12), max_size=8).map("\n".join)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: "(" + "|".join(each) + ")"),
        st.tuples(inner, REPEATS).map(lambda each: f"(?:{each[0]}){each[1]}"),
    )


PATTERNS = st.recursive(ATOMS, _grown, max_leaves=12)


def expected(pattern: str, text: str, flags: int = 0) -> list[tuple[int, int]]:
    """Number and column, in bytes from 1, of each line that Python finds a match in."""
    compiled = re.compile(pattern, re.ASCII | flags)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    matches = [(number, line, compiled.search(line)) for number, line in enumerate(lines, 1)]
    return [
        (number, len(line[: match.start()].encode()) + 1)
        for number, line, match in matches
        if match is not None
    ]


def found(host: Channel, pattern: str, flags: int = 0) -> list[tuple[int, int]]:
    page = grep(host, pattern, flags=flags)
    return [(line.number, line.column) for hit in page.hits for line in hit.lines]


@SEVERAL
@given(PATTERNS, TEXTS)
def test_an_expression_matches_where_pythons_does(agent: Agent, host: Channel, pattern: str, text: str):
    (agent.workspace / "f").write_text(text, newline="")
    assert found(host, pattern) == expected(pattern, text)


@SEVERAL
@given(st.text(alphabet="ab.*[(\\ é", min_size=1, max_size=4), TEXTS)
def test_a_literal_is_found_where_it_stands(agent: Agent, host: Channel, literal: str, text: str):
    (agent.workspace / "f").write_text(text, newline="")
    assert found(host, literal, LITERAL) == expected(re.escape(literal), text)
    insensitive = "".join(f"[{c}{c.upper()}]" if c in "ab" else re.escape(c) for c in literal)
    assert found(host, literal, LITERAL | IGNORE_CASE) == expected(insensitive, text)


@SEVERAL
@given(st.text(alphabet="ab_1 -é", min_size=1, max_size=3), TEXTS)
def test_a_word_has_no_neighbours(agent: Agent, host: Channel, word: str, text: str):
    (agent.workspace / "f").write_text(text, newline="")
    assert found(host, word, LITERAL | WORD) == expected(rf"(?<!\w){re.escape(word)}(?!\w)", text)


@SEVERAL
@given(st.text(alphabet="ab*+?{}[]()|\\^$.,-1:<=!PiB\u00e9", max_size=12))
def test_what_python_refuses_is_refused_and_what_is_accepted_python_accepts(host: Channel, pattern: str):
    """The other way round our dialect is smaller: no back-references, no look-around, no possessive repetitions."""
    try:
        grep(host, pattern)
    except InvalidPattern:
        return
    if re.search(r"\[:|\(\?[^:]|\[\[|\(\?$", pattern):
        return  # classes of POSIX, and flags: each engine has more of its own
    re.compile(pattern)


@SEVERAL
@given(st.binary(max_size=200), st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw))
def test_any_bytes_are_searched_for_any_pattern(agent: Agent, host: Channel, data: bytes, pattern: bytes):
    (agent.workspace / "f").write_bytes(data)
    try:
        page = grep(host, pattern, context=(1, 1))
    except InvalidPattern:
        return
    lines = data.split(b"\n")
    for hit in page.hits:
        for line in hit.lines:
            assert line.text == lines[line.number - 1]
            assert data[line.offset :].startswith(line.text)


# ---- patterns of names ----

PARTS = st.text(alphabet="ab*?é.", min_size=1, max_size=4).filter(lambda part: part not in {".", "..", "**"})
GLOBS = st.lists(st.one_of(PARTS, st.just("**"), st.just("[ab]*")), min_size=1, max_size=4).map("/".join)
NAMES = st.text(alphabet="abé.", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=8)


def translated(glob: str) -> re.Pattern[str]:
    """The same as an expression over the whole path."""
    parts = glob.split("/")
    made = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            made += "(?:.+)" if last else "(?:[^/]+/)*"
        else:
            inner = "".join(
                {"*": "[^/]*", "?": "[^/]", "[": "[", "]": "]"}.get(c, re.escape(c)) for c in part
            )
            made += inner + ("" if last else "/")
    return re.compile(made if len(parts) > 1 else f"(?:.*/)?(?:{made.replace('.+', '[^/]*')})")


@SEVERAL
@given(TREES, GLOBS)
def test_a_pattern_of_names_matches_what_its_translation_does(
    agent: Agent, host: Channel, tree: list[list[str]], glob: str
):
    for path in tree:
        folder = agent.workspace.joinpath(*path)
        if not any(parent.is_file() for parent in [folder, *folder.parents]):
            folder.mkdir(parents=True, exist_ok=True)
    everything = find(host).paths
    pattern = translated(glob)
    assert find(host, include=[glob]).paths == [
        path for path in everything if pattern.fullmatch(path.decode())
    ]
    left = find(host, exclude=[glob]).paths
    assert all(not pattern.fullmatch(path.decode()) for path in left)
