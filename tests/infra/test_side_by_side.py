"""Two commands at once: whichever fails fails the whole, and a signal reaches both."""

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


def command(first: str, second: str) -> list[str]:
    return [sys.executable, str(PROGRAM), "sh", "-c", first, "--beside--", "sh", "-c", second]


def test_the_two_parts_of_the_suite_hold_each_test_once():
    noxfile = runpy.run_path(str(REPOSITORY / "noxfile.py"))
    beside: tuple[str, ...] = noxfile["BESIDE"]
    parts = [collected(*noxfile["_all_but"](beside)), collected(*beside)]
    assert all(parts)
    assert sorted([*parts[0], *parts[1]]) == sorted(collected())


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


@pytest.mark.parametrize(("first", "second", "code"), [(0, 0, 0), (3, 0, 3), (0, 4, 4), (3, 4, 3)])
def test_whichever_fails_fails_the_whole_and_both_are_shown(first: int, second: int, code: int):
    done = subprocess.run(
        command(f"echo one; exit {first}", f"echo two; exit {second}"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code
    assert [line for line in done.stdout.splitlines() if line in {"one", "two"}] == ["one", "two"]


def test_a_signal_reaches_both():
    wait = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"
    running = subprocess.Popen(command(wait, wait), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(TIMEOUT_S) == 7
