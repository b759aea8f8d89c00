"""The runtime of the tutorial is small, and runs what devbench runs on any other."""

from __future__ import annotations

import difflib
import os
from functools import partial
from pathlib import Path

import pytest

from harness.authoring import TIMEOUT_S, Run, complete, end_of
from harness.ordinary_user import as_ordinary_user, ordinary_ids

LINES = 150
pytestmark = pytest.mark.timeout(2 * TIMEOUT_S)
FEW = "made_then or next_life or no_capability or nothing_of_the_machine or leaves_no_process"
SHELL = "import os, sys; os.execvp('sh', ['sh', '-eu', '-c', sys.argv[1]])"


@pytest.fixture
def kind() -> str:
    """What is written."""
    return "runtime"


def modules(package: Path) -> dict[Path, list[str]]:
    return {file: file.read_text().splitlines() for file in package.glob("src/**/*.py")}


def test_what_its_author_writes_is_less_than_a_hundred_and_fifty_lines(package: Path):
    before = modules(package)
    complete(package, "runtime")
    written = [
        line
        for file, lines in modules(package).items()
        for line in difflib.ndiff(before.get(file, []), lines)
        if line.startswith("+ ")
    ]
    assert 100 < len(written) < LINES


def test_the_commands_at_the_tutorials_end_run_on_it(package: Path, run: Run):
    complete(package, "runtime")
    done = run("-c", SHELL, end_of("runtime"))
    assert done.returncode == 0, done.stdout + done.stderr
    *demo, _, shown, killed = done.stdout.splitlines()
    assert "   checked: nothing of it is left" in demo
    assert shown == "hello"
    assert killed.endswith(" killed")
    assert list(package.parent.glob(".local/state/devbench/containers/*/*")) == []


def test_it_works_for_an_ordinary_user(package: Path, run: Run, tmp_path: Path):
    complete(package, "runtime")
    tmp_path.chmod(0o755)
    place = tmp_path / "theirs"
    place.mkdir()
    if os.geteuid() == 0:
        os.chown(place, *ordinary_ids())
    arguments = ["-q", "-p", "no:cacheprovider", f"--basetemp={place / 'tests'}", "-k", FEW]
    done = run("-m", "pytest", *arguments, run_as=partial(as_ordinary_user, reachable=[tmp_path]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
