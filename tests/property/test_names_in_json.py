"""Whatever a file is called, JSON carries its name there and back."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from devbench_core.errors import FileMissing, PathOutside
from devbench_core.files.paths import RESERVED, absolute_path, name_text, relative_path
from devbench_core.files.settings import FileLimits
from devbench_core.tools.path_text import ENCODED_MAX, given_name, shown, shown_name
from devbench_core.tools.path_text import given as meant
from devbench_core.tools.payload import error_payload, error_text

LIMITS = FileLimits()
RAW = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from(
        [b"file:", b"file:///a", b"%41", b"\xff", b"%\xff", b"a%2fb", b"file:%41", b"\xed\xa0\x80"]
    ),
).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"-"))


@given(RAW)
def test_a_path_that_is_shown_leads_back_to_the_same_file(raw: bytes) -> None:
    if raw in {b".", b".."} or raw.startswith(RESERVED):
        return
    for path in (str(absolute_path(raw)), f"./{name_text(raw)}"):
        text = json.loads(to_json(shown(path)))
        assert relative_path(meant(text), LIMITS) == relative_path(path, LIMITS) == raw
        assert shown(meant(text)) == shown(path)


@given(RAW)
def test_what_is_utf8_is_shown_as_it_is(raw: bytes) -> None:
    path = str(absolute_path(raw))
    try:
        raw.decode()
    except UnicodeDecodeError:
        assert shown(path).isascii()
        assert shown(path).startswith("file:///workspace/")
    else:
        assert shown(path) == path


@given(RAW)
def test_a_name_leads_back_to_the_same_name(raw: bytes) -> None:
    name = name_text(raw)
    assert given_name(json.loads(to_json(shown_name(name)))) == name


@given(st.text(alphabet=st.characters(), max_size=20))
def test_errors_can_always_be_told(text: str) -> None:
    for error in (
        FileMissing(f"nothing is at {text}", details={"path": text, "other": [text, {text: text}]}),
    ):
        to_json(error_payload(error))
        error_text(error).encode()


def test_the_longest_path_fits() -> None:
    raw = b"/".join([b"\xff" * 255] * 15) + b"/" + b"\xff" * 255
    assert len(raw) == LIMITS.path_max_bytes
    assert len(shown(str(absolute_path(raw)))) <= ENCODED_MAX


def test_escapes_that_lead_out_lead_out() -> None:
    for text in (
        "file:///workspace/%2e%2e/a",
        "file:///workspace/..%2Fa",
        "file:///etc/passwd",
        "file:///%2fetc",
    ):
        with pytest.raises(PathOutside):
            relative_path(meant(text), LIMITS)


@pytest.mark.parametrize("text", ["file:///workspace/%", "file:///workspace/%f", "file:///workspace/%zz"])
def test_broken_escapes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        meant(text)


def test_names_are_utf8_whatever_the_locale_of_the_host() -> None:
    code = (
        "import sys; assert sys.getfilesystemencoding() != 'utf-8', 'the test needs another one'\n"
        "from devbench_core.files.paths import *; from devbench_core.files.settings import FileLimits\n"
        "assert relative_path('caf\\xe9', FileLimits()) == b'caf\\xc3\\xa9'\n"
        "assert str(absolute_path(b'caf\\xc3\\xa9')) == '/workspace/caf\\xe9'"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
