"""Odd names and paths through the command line: each is handled exactly, or refused with the reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

BAD = os.fsdecode(b"caf\xe9")
"""A name that is not UTF-8, as a shell gives it to a program."""
SHOWN = "file:///workspace/odd/caf%E9"


@pytest.fixture(scope="module")
def box(each_cli: Any) -> str:
    return each_cli.ok("spawn", "--quiet").strip()


def test_a_name_that_is_not_utf8_goes_in_out_and_away_in_both_forms(each_cli: Any, box: str, tmp_path: Path):
    source = tmp_path / BAD
    source.write_bytes(b"content")
    each_cli.ok("cp", str(source), f"{box}:odd/")
    assert SHOWN in each_cli.ok("ls", f"{box}:odd")
    assert [entry["path"] for entry in each_cli.json("ls", f"{box}:odd")["entries"]] == [SHOWN]
    for form in (f"odd/{BAD}", f"/workspace/odd/{BAD}", SHOWN):
        assert each_cli.ok("cat", f"{box}:{form}") == "content"
    (tmp_path / "out").mkdir()
    each_cli.ok("cp", f"{box}:{SHOWN}", str(tmp_path / "out"))
    assert (tmp_path / "out" / BAD).read_bytes() == b"content"
    each_cli.ok("cp", "-", f"{box}:odd/{BAD}", stdin=b"second")
    assert each_cli.ok("cat", f"{box}:{SHOWN}") == "second"
    each_cli.ok("mv", f"{box}:odd/{BAD}", f"{box}:newdir/")
    assert each_cli.ok("cat", f"{box}:newdir/{BAD}") == "second"
    each_cli.ok("mv", f"{box}:newdir/{BAD}", f"{box}:{SHOWN}")
    each_cli.ok("rm", f"{box}:odd/{BAD}")
    assert each_cli.json("ls", f"{box}:odd")["entries"] == []
    missing = each_cli.run("cat", f"{box}:{SHOWN}")
    assert missing.returncode == 3
    assert b"file_not_found" in missing.stderr


def test_odd_names_are_those_names_and_do_nothing_to_a_terminal(each_cli: Any, box: str, tmp_path: Path):
    names = ["a\nb", "\x1b[31mred", "-rf", "~", "%2e%2e", "a ", "\u202egpj.exe", "cafe\u0301", "a:b"]
    (tmp_path / "source").write_bytes(b"x")
    for name in names:
        each_cli.ok("cp", str(tmp_path / "source"), f"{box}:names/{name}")
    found = [entry["path"] for entry in each_cli.json("ls", f"{box}:names")["entries"]]
    assert found == [f"/workspace/names/{name}" for name in sorted(names, key=str.encode)]
    shown = each_cli.ok("ls", f"{box}:names")
    assert len(shown.splitlines()) == len(names) + 1
    assert all(character.isprintable() for line in shown.split("\n") for character in line)
    assert "\\x1b[31mred" in shown
    assert "\\u202egpj.exe" in shown


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("..", "path_outside_workspace"),
        ("/etc/passwd", "path_outside_workspace"),
        ("file:///etc/passwd", "path_outside_workspace"),
        ("file:///workspace/%2e%2e/etc", "path_outside_workspace"),
        ("file:///workspace/%zz", "validation"),
        (".devbench-tmp-a", "validation"),
    ],
)
def test_what_is_no_path_or_leads_out_is_refused(cli: Any, web: str, path: str, code: str):
    for words in (("cat",), ("rm", "-r")):
        done = cli.run(*words, f"{web}:{path}")
        assert done.returncode != 0
        assert f"error[{code}]".encode() in done.stderr, done.stderr
    done = cli.run("cp", "-", f"{web}:{path}", stdin=b"")
    assert f"error[{code}]".encode() in done.stderr, done.stderr
