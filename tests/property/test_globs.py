"""Patterns of names: alternatives are taken apart as a shell does it, and nothing but patterns is accepted."""

import re
from contextlib import suppress
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import ValidationFailed
from devbench_core.files.cursors import cursor_path, cursor_place, path_cursor, place_cursor
from devbench_core.files.globs import globs_of
from devbench_core.files.settings import FileLimits

LIMITS = FileLimits()
PLAIN = st.text(alphabet="ab*?.-ü", min_size=1, max_size=4).filter(lambda text: text not in {".", ".."})
CHOICES = st.lists(PLAIN, min_size=1, max_size=3)
PARTS = st.lists(st.one_of(PLAIN, CHOICES), min_size=1, max_size=4)


@given(PARTS)
def test_alternatives_make_all_combinations_in_order(parts: list[str | list[str]]):
    pattern = "".join(part if isinstance(part, str) else "{" + ",".join(part) + "}" for part in parts)
    choices = [[part] if isinstance(part, str) else part for part in parts]
    expected = ["".join(chosen).removeprefix("./") for chosen in product(*choices)]
    if any(each in {".", ".."} for each in expected):
        return
    assert globs_of("include", [pattern], LIMITS) == tuple(each.encode() for each in expected)


@given(st.text(max_size=40))
def test_any_text_is_patterns_or_a_fault(text: str):
    try:
        globs = globs_of("include", [text], LIMITS)
    except ValidationFailed:
        return
    assert 0 < len(globs) <= LIMITS.search_max_globs
    assert all(0 < len(each) <= 1024 and b"\0" not in each for each in globs)
    assert not any(part in {b"", b".", b".."} for each in globs for part in each.strip(b"/").split(b"/"))


NAMES = (
    st.binary(min_size=1, max_size=12)
    .map(lambda name: re.sub(rb"[/\0]", b"x", name))
    .filter(lambda name: name not in {b".", b".."})
)
PATHS = st.lists(NAMES, max_size=4).map(b"/".join)


@given(PATHS, st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_cursor_is_plain_text_and_comes_back_as_it_was(path: bytes, place: int, number: int):
    cursor = path_cursor(path)
    assert cursor.isascii()
    assert cursor_path(cursor) == path
    assert cursor_place(place_cursor(path, place, number)) == (path, place, number)


@given(st.text(max_size=30))
def test_any_text_is_a_cursor_or_refused(text: str):
    for read in (cursor_path, cursor_place):
        with suppress(ValidationFailed):
            read(text)
