"""Commands at once: whichever fails fails the whole, and a signal reaches all."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "tests" / "side_by_side.py"
TIMEOUT_S = 30
COLLECT_TIMEOUT_S = 100


def command(*scripts: str) -> list[str]:
    words = [word for script in scripts for word in ("--beside--", "sh", "-c", script)]
    return [sys.executable, str(PROGRAM), *words[1:]]


def test_the_parts_of_the_suite_hold_each_test_once():
    noxfile = runpy.run_path(str(REPOSITORY / "noxfile.py"))
    beside = [folder for part in noxfile["BESIDE"] for folder in part]
    assert len(beside) == len(set(beside))
    assert not any(f"{one}/".startswith(f"{other}/") for one in beside for other in beside if one != other)
    all_of_them = [
        str(file.relative_to(REPOSITORY))
        for folder in (*REPOSITORY.glob("packages/*/tests"), REPOSITORY / "tests")
        for file in folder.rglob("test_*.py")
    ]
    left = {file for file in all_of_them if not any(file.startswith(f"{folder}/") for folder in beside)}
    assert set(collected(*noxfile["_all_but"](beside))) == left - CLOSED
    assert all(any(file.startswith(f"{folder}/") for file in all_of_them) for folder in beside)


CLOSED = {
    str(file.relative_to(REPOSITORY))
    for file in (REPOSITORY / "packages/devbench-runtime-bubblewrap/tests/cgroup2").rglob("test_*.py")
}
"""They need a kernel of their own, which `nox -s cgroup2` boots."""


def collected(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=COLLECT_TIMEOUT_S,
        check=True,
    )
    # files with their counts: the name of a case that has a random seed differs from run to run
    return [line.split("::")[0] for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.parametrize(("codes", "code"), [("000", 0), ("300", 3), ("040", 4), ("345", 3), ("005", 5)])
def test_whichever_fails_fails_the_whole_and_all_are_shown(codes: str, code: int):
    names = ("one", "two", "three")
    done = subprocess.run(
        command(*(f"echo {name}; exit {each}" for name, each in zip(names, codes, strict=True))),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code
    assert [line for line in done.stdout.splitlines() if line in names] == list(names)


def test_a_signal_reaches_all():
    wait = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"
    running = subprocess.Popen(command(wait, wait, wait), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(TIMEOUT_S) == 7


def test_a_signal_that_comes_while_they_are_started_ends_all_of_them():
    for_ever = "while :; do sleep 0.05; done"
    done = subprocess.run(
        command(for_ever, f"kill -TERM $PPID; {for_ever}", for_ever),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == signal.SIGTERM  # of one that got it; had it ended the starter, it were negative
    assert done.stdout.count("=== beside it ran") == 2
