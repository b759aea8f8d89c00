"""The keys that leave a command are found however they arrive, and nothing else is swallowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_cli.terminal.keys import DetachKeys, parse
from devbench_core.errors import ValidationFailed

SEQUENCE = b"ppq"
TYPED = st.lists(st.text(alphabet="pqx", max_size=6).map(str.encode), max_size=8)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("CTRL-P", b"\x10"),
        ("~,.", b"~."),
        ("ctrl-@,ctrl-\\,ctrl-_", b"\x00\x1c\x1f"),
        ("none", b""),
    ],
)
def test_keys_are_written_by_their_names(text: str, keys: bytes):
    assert parse("--detach-keys", text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-1", "ctrl-pq", "ab", "ü", "a,,b", "a," * 9])
def test_what_is_no_key_is_refused(text: str):
    with pytest.raises(ValidationFailed, match="--detach-keys"):
        parse("--detach-keys", text)


@given(TYPED)
def test_the_sequence_is_found_in_any_cut_and_what_was_typed_before_it_is_passed_on(typed: list[bytes]):
    keys, passed, left = DetachKeys(SEQUENCE), b"", False
    for piece in typed:
        data, left = keys.filter(piece)
        passed += data
        if left:
            break
    whole = b"".join(typed)
    at = whole.find(SEQUENCE)
    assert left == (at >= 0)
    if left:
        assert passed == whole[:at]
    else:
        held = next(n for n in (2, 1, 0) if whole.endswith(SEQUENCE[:n]))
        assert passed == whole[: len(whole) - held]


def test_without_keys_everything_passes():
    assert DetachKeys(b"").filter(b"\x10\x11\x00") == (b"\x10\x11\x00", False)
