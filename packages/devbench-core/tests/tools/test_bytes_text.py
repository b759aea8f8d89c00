"""Output travels exactly, as text where it is text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import ValidationFailed
from devbench_core.model.execution import Chunk, StreamName
from devbench_core.tools.bytes_text import as_text, cut_edges, from_base64, one_content
from devbench_core.tools.pieces import pieces_of

OUTPUT = st.one_of(st.binary(min_size=1, max_size=60), st.text(min_size=1).map(lambda text: text.encode()))
SHOWN = (StreamName.STDOUT, StreamName.STDERR)
CHUNKS = st.lists(st.tuples(st.sampled_from(list(StreamName)), OUTPUT), max_size=20)


def numbered(parts: list[tuple[StreamName, bytes]]) -> list[Chunk]:
    return [Chunk(seq=number, stream=stream, data=data) for number, (stream, data) in enumerate(parts, 1)]


@given(CHUNKS)
def test_pieces_are_the_exact_output_in_order(parts: list[tuple[StreamName, bytes]]):
    pieces = pieces_of(numbered(parts))
    for stream in SHOWN:
        wanted = b"".join(data for name, data in parts if name is stream)
        given_back = b"".join(p.to_bytes() for p in pieces if p.stream == stream.name.lower())
        assert given_back == wanted
    assert all(piece.stream != "side" for piece in pieces), "a shell's book-keeping is nobody's output"


@given(st.text(min_size=1), st.integers(min_value=0))
def test_text_that_a_page_cuts_within_a_character_stays_text_but_for_that_character(text: str, at: int):
    data = text.encode()
    cut = at % (len(data) + 1)
    whole = b""
    for part in (data[:cut], data[cut:]):
        first, middle, last = cut_edges(part)
        assert first + middle + last == part
        assert len(first) <= 3
        assert len(last) <= 3
        middle.decode()
        whole += part
    assert whole == data


@given(st.binary(max_size=2000))
def test_what_is_shown_as_text_does_not_swell_in_json(data: bytes):
    text = as_text(data)
    if text is not None:
        assert text.encode() == data
        assert len(json.dumps(text, ensure_ascii=False).encode()) <= 3 * len(data) + 2


def test_colours_of_a_terminal_are_text():
    assert as_text(b"\x1b[32mok\x1b[0m all is well\n") is not None


def test_zeros_are_not_text():
    assert as_text(bytes(100)) is None


def test_lost_output_is_stated_where_it_was_lost():
    chunks = [
        Chunk(seq=1, stream=StreamName.STDOUT, data=b"a"),
        Chunk(seq=2, stream=StreamName.STDOUT, data=b"b", lost_bytes=7),
        Chunk(seq=3, stream=StreamName.STDOUT, data=b"c"),
    ]
    assert [(piece.text, piece.lost_bytes) for piece in pieces_of(chunks)] == [("a", 0), ("bc", 7)]


@pytest.mark.parametrize("wrong", ["a", "ab=c", "a b=", "é", "YQ==\n"])
def test_what_is_no_base64_is_refused_by_field(wrong: str):
    with pytest.raises(ValidationFailed, match="stdin_base64"):
        from_base64("stdin_base64", wrong)


def test_content_is_given_one_way_or_the_other():
    assert one_content("text", "é", "base64", None) == b"\xc3\xa9"
    assert one_content("text", None, "base64", "/w==") == b"\xff"
    assert one_content("text", None, "base64", None) is None
    with pytest.raises(ValidationFailed, match="exclude each other"):
        one_content("text", "a", "base64", "YQ==")
