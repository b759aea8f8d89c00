"""Shells complete command lines of devbench: they run a script of ours, which asks the program."""

from __future__ import annotations

import shutil
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


def test_a_question_that_is_not_understood_is_not_answered(devbench: Devbench):
    done = devbench(env={"_DEVBENCH_COMPLETE": "tcsh_complete"})
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_script(devbench: Devbench, shell: str):
    done = devbench("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_DEVBENCH_COMPLETE={shell}_complete" in done.stdout


def test_another_shell_is_wrong_usage(devbench: Devbench):
    done = devbench("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not one of 'bash', 'zsh', 'fish'" in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
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
