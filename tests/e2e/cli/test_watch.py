"""`devbench watch` on each runtime."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest


@pytest.fixture
def box(each_cli: Any) -> str:
    return each_cli.ok("spawn", "--quiet").strip()


def begin(cli: Any, *arguments: str) -> subprocess.Popen[bytes]:
    """Start watching and return when it does."""
    watching = subprocess.Popen(
        cli.argv("watch", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cli.folder,
        env=cli.environment,
    )
    assert watching.stderr is not None
    assert watching.stderr.readline().startswith(b"watching "), watching.stderr.read()
    return watching


def test_changes_are_printed_as_they_happen_until_so_many(each_cli: Any, box: str):
    watching = begin(each_cli, box, "--count", "2")
    each_cli.ok("exec", box, "sh", "-c", "mkdir d; mkdir d/e")
    out, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert out.decode().splitlines() == ["created  /workspace/d/", "created  /workspace/d/e/"]


def test_each_change_is_a_json_object_on_a_line_and_ctrl_c_ends_it(each_cli: Any, box: str):
    each_cli.ok("exec", box, "mkdir", "src")
    watching = begin(each_cli, f"{box}:src", "--json", "--flat")
    each_cli.ok("cp", "-", f"{box}:src/main.py", stdin=b"print()")
    assert watching.stdout is not None
    change = json.loads(watching.stdout.readline())
    assert (change["kind"], change["path"]) == ("created", "/workspace/src/main.py")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(60) == 130


def test_what_is_not_there_cannot_be_watched(each_cli: Any, box: str):
    done = each_cli.run("watch", f"{box}:absent")
    assert done.returncode == 3
    assert b"file_not_found" in done.stderr
