"""Searches through the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

MAKE = """
mkdir -p s/deep s/.h
printf 'import os\\nx = 1\\nprint(os)\\n' > s/a.py
printf 'import sys\\n' > s/deep/b.py
printf 'import re\\n' > s/.h/c.py
printf 'deep/\\n' > s/.gitignore
"""


@pytest.fixture
def tree(cli: Any, web: str) -> str:
    cli.ok("exec", web, "sh", "-c", MAKE)
    return f"{web}:s"


def test_grep_prints_as_grep_does_and_exits_so(cli: Any, tree: str):
    done = cli.run("grep", "import", tree)
    assert done.stdout == b"s/.h/c.py:1:import re\ns/a.py:1:import os\ns/deep/b.py:1:import sys\n"
    assert done.returncode == 0
    assert cli.run("grep", "nothing of this", tree).returncode == 1
    bad = cli.run("grep", "a(b", tree)
    assert (bad.returncode, bad.stdout) == (2, b"")
    assert b"position 1" in bad.stderr
    assert cli.run("grep", "x", f"{tree}/absent").returncode == 2


def test_grep_has_greps_options(cli: Any, tree: str):
    assert cli.ok("grep", "-l", "IMPORT", tree, "-i", "--gitignore", "--no-hidden") == "s/a.py\n"
    assert cli.ok("grep", "-c", "os", f"{tree}/a.py") == "s/a.py:2\n"
    assert cli.ok("grep", "-F", "print(os", tree, "-B", "1") == "s/a.py-2-x = 1\ns/a.py:3:print(os)\n"
    assert cli.ok("grep", "-w", "os", tree, "--include", "*.py", "--exclude", "deep").count("\n") == 2


def test_find_prints_paths(cli: Any, tree: str):
    assert cli.ok("find", tree, "**/*.py") == "s/.h/c.py\ns/a.py\ns/deep/b.py\n"
    assert cli.ok("find", tree, "**/*.py", "--gitignore", "--no-hidden") == "s/a.py\n"
    assert cli.ok("find", tree, "*.py", "--json").count("\n") == 1
    assert json.loads(cli.ok("find", tree, "*.py", "--json"))["path"] == "/workspace/s/a.py"


def test_a_listing_goes_down_when_asked(cli: Any, tree: str):
    rows = cli.ok("ls", "-R", tree).splitlines()[1:]
    assert [row.split()[4] for row in rows] == [
        "s/.gitignore",
        "s/.h/",
        "s/.h/c.py",
        "s/a.py",
        "s/deep/",
        "s/deep/b.py",
    ]
    assert "s/deep/b.py" not in cli.ok("ls", "--depth", "1", tree)
