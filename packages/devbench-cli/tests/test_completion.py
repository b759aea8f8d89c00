"""Shells complete command lines of devbench: they run a script of ours, which asks the program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devbench_cli.completing import SHELLS

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]
PRESS_TAB = """
eval "$1"
COMP_WORDS=(devbench co)
COMP_CWORD=1
_devbench_completion "$2"
echo "${COMPREPLY[@]}"
"""


def answers(devbench: Devbench, words: str, place: int) -> list[str]:
    asked = {"_DEVBENCH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    done = devbench(env=asked)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


def test_a_command_is_completed(devbench: Devbench):
    assert answers(devbench, "devbench p", 1) == ["plugins", "plugin", "ps", "pools"]


def test_a_command_of_a_command_is_completed(devbench: Devbench):
    assert answers(devbench, "devbench db ex", 2) == ["export"]


def test_options_of_a_command_and_common_ones_are_completed(devbench: Devbench):
    assert answers(devbench, "devbench ps --l", 2) == ["--label", "--limit"]
    assert answers(devbench, "devbench --quiet ps --run", 3) == ["--runtime"]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("devbench cp fi", 2),
        ("devbench cp a fi", 3),
        ("devbench import fi", 2),
        ("devbench export web fi", 3),
        ("devbench db import fi", 3),
    ],
)
def test_names_of_files_are_left_to_the_shell(devbench: Devbench, words: str, place: int):
    assert answers(devbench, words, place) == ["file,fi"]


def test_a_question_that_is_not_understood_is_not_answered(devbench: Devbench):
    done = devbench(env={"_DEVBENCH_COMPLETE": "tcsh_complete"})
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_script(devbench: Devbench, shell: str):
    done = devbench("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_DEVBENCH_COMPLETE" in done.stdout
    assert f"{shell}_complete" in done.stdout


def test_another_shell_is_wrong_usage(devbench: Devbench):
    done = devbench("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not one of 'bash', 'zsh', 'fish', 'powershell'" in done.stderr


def test_in_bash_the_script_completes(devbench: Devbench):
    program = str(Path(sys.executable).with_name("devbench"))
    script = devbench("completion", "bash").stdout
    done = subprocess.run(
        ["bash", "--norc", "-c", PRESS_TAB, "bash", script, program],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["config", "completion"]
    assert "-o default" in script, "after a redirection files are meant"
