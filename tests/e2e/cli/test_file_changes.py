"""Writing, editing, moving and changing modes of files through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def editor(folder: Path, script: str) -> dict[str, str]:
    """An editor that runs a shell's script with the file as $1."""
    program = folder / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"EDITOR": str(program), "VISUAL": ""}


def test_stdin_is_written_appended_and_refused_where_it_must_not_be(cli: Any, web: str):
    cli.ok("write", f"{web}:logs/day", stdin=b"one\n")
    cli.ok("write", "--append", "--durable", f"{web}:logs/day", stdin=b"two\n")
    assert cli.ok("cat", f"{web}:logs/day") == "one\ntwo\n"
    taken = cli.run("write", "--create", f"{web}:logs/day", stdin=b"x")
    assert (taken.returncode, b"error[file_conflict]" in taken.stderr) == (5, True)
    written = json.loads(cli.ok("write", "--json", "--mode", "750", f"{web}:logs/tool", stdin=b"#!"))
    assert (written["created"], written["file"]["mode"]) == (True, "0750")
    stale = cli.run("write", "--if-match", "0" * 32, f"{web}:logs/tool", stdin=b"x")
    assert stale.returncode == 5
    cli.ok("write", "--if-match", written["file"]["etag"], f"{web}:logs/tool", stdin=b"new")
    assert cli.ok("cat", f"{web}:logs/tool") == "new"


def test_a_file_is_moved_into_a_folder_and_over_another_only_by_force(cli: Any, web: str):
    for name in ("from", "other"):
        cli.ok("write", f"{web}:moving/{name}", stdin=name.encode())
    cli.ok("mv", f"{web}:moving/from", "moving/new/")
    assert cli.ok("cat", f"{web}:moving/new/from") == "from"
    cli.ok("mv", f"{web}:moving/new/from", f"{web}:moving")
    assert cli.run("mv", f"{web}:moving/from", "moving/other").returncode == 5
    cli.ok("mv", "-f", f"{web}:moving/from", "moving/other")
    assert cli.ok("cat", f"{web}:moving/other") == "from"
    missing = cli.run("mv", f"{web}:moving/absent", "x")
    assert (missing.returncode, b"moving/absent" in missing.stderr) == (3, True)
    assert cli.run("mv", f"{web}:moving/other", "elsewhere:x").returncode == 2


def test_modes_are_changed_also_of_a_tree(cli: Any, web: str):
    cli.ok("write", f"{web}:modes/run.sh", stdin=b"#!/bin/sh\n")
    cli.ok("chmod", "755", f"{web}:modes/run.sh")
    changed = json.loads(cli.ok("chmod", "-r", "--json", "640", f"{web}:modes"))
    assert (changed["changed"], changed["file"]["mode"]) == (2, "0750")
    wrong = cli.run("chmod", "a+x", f"{web}:modes")
    assert (wrong.returncode, b"mode" in wrong.stderr) == (2, True)


def test_a_file_is_edited_with_the_users_editor(cli: Any, web: str, tmp_path: Path):
    cli.ok("write", "--mode", "751", f"{web}:edit/f.py", stdin=b"old\n")
    change = 'case "$1" in */f.py) sed -i s/old/new/ "$1";; esac'
    done = cli.run("edit", f"{web}:edit/f.py", env=editor(tmp_path, change))
    assert done.returncode == 0, done.stderr
    assert cli.ok("cat", f"{web}:edit/f.py") == "new\n"
    assert cli.ok("ls", f"{web}:edit/f.py").splitlines()[1].startswith("-0751")
    cli.run("edit", f"{web}:edit/fresh", env=editor(tmp_path, 'echo made > "$1"'))
    assert cli.ok("cat", f"{web}:edit/fresh") == "made\n"
    same = cli.run("edit", f"{web}:edit/f.py", env=editor(tmp_path, "true"))
    assert (same.returncode, b"is as it was" in same.stderr) == (0, True)


def test_an_edit_of_what_changed_meanwhile_is_kept_and_named(cli: Any, web: str, tmp_path: Path):
    cli.ok("write", f"{web}:edit/raced", stdin=b"old\n")
    other = " ".join(cli.argv("write", f"{web}:edit/raced"))
    script = f'echo theirs | {other} || exit 9\necho mine > "$1"'
    done = cli.run("edit", f"{web}:edit/raced", env=editor(tmp_path, script))
    assert done.returncode == 5, done.stderr
    assert b"error[file_conflict]" in done.stderr
    assert cli.ok("cat", f"{web}:edit/raced") == "theirs\n"
    kept = done.stderr.decode().split("your edit is kept in ")[1].split(";")[0].strip()
    assert Path(kept).read_text() == "mine\n"


def test_an_editor_that_fails_writes_nothing(cli: Any, web: str, tmp_path: Path):
    cli.ok("write", f"{web}:edit/safe", stdin=b"old\n")
    failing = cli.run("edit", f"{web}:edit/safe", env=editor(tmp_path, 'echo x > "$1"; exit 3'))
    assert (failing.returncode, b"ended with 3" in failing.stderr) == (2, True)
    absent = cli.run("edit", f"{web}:edit/safe", env={"EDITOR": "/nowhere/editor", "VISUAL": ""})
    assert (absent.returncode, b"/nowhere/editor" in absent.stderr) == (2, True)
    assert cli.ok("cat", f"{web}:edit/safe") == "old\n"
