"""However a command ends, its exit code says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
import pytest

from devbench_cli.app import app
from devbench_cli.program import run_program

PROGRAM = str(Path(sys.executable).with_name("devbench"))


@contextmanager
def to_nobody() -> Generator[TextIO]:
    """Yield the end of a pipe whose other end is closed."""
    nobody, ours = os.pipe()
    os.close(nobody)
    with os.fdopen(ours, "w") as output:
        yield output


@pytest.mark.parametrize("words", [["--help"], ["ps", "--help"], ["--json", "--version"], ["--version"]])
def test_a_reader_of_output_that_went_away_ends_the_program_quietly(words: list[str]):
    with to_nobody() as output:
        done = subprocess.run(
            [PROGRAM, *words], check=False, stdout=output, stderr=subprocess.PIPE, timeout=60
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("words", [[], ["ps", "--bad"], ["ps", "--config", "nowhere.toml"]])
def test_a_reader_of_errors_that_went_away_ends_the_program_too(words: list[str]):
    with to_nobody() as output:
        done = subprocess.run(
            [PROGRAM, *words], check=False, stdout=subprocess.PIPE, stderr=output, timeout=60
        )
    assert (done.returncode, done.stdout) == (141, b"")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (None, 0),
        (click.exceptions.Exit(7), 7),
        (BaseExceptionGroup("of a task group", [click.exceptions.Exit(143)]), 143),
        (click.UsageError("wrong"), 2),
        (SystemExit(3), 3),
        (SystemExit("why"), 1),
        (KeyboardInterrupt(), 130),
        (ValueError("a bug"), 1),
    ],
)
def test_each_end_of_a_command_has_its_exit_code(
    end: BaseException | None, code: int, monkeypatch: pytest.MonkeyPatch
):
    def invoke(_ctx: click.Context) -> None:
        if end is not None:
            raise end

    monkeypatch.setattr(app, "invoke", invoke)
    assert run_program(["ps"]) == code


@pytest.mark.parametrize(
    ("words", "told", "path"),
    [
        (["--json", "ps", "--bad"], "No such option '--bad'", "devbench ps"),
        (["--json", "pss"], "No such command 'pss'", "devbench"),
        (["exec", "--json"], "Missing argument 'CONTAINER'", "devbench exec"),
        (["exec", "--json", "web"], "COMMAND", "devbench exec"),
    ],
)
def test_wrong_usage_is_told_to_machines_like_other_errors(
    words: list[str], told: str, path: str, capsys: pytest.CaptureFixture[str]
):
    assert run_program(words) == 2
    written = capsys.readouterr()
    [line] = written.err.splitlines()
    error = json.loads(line)["error"]
    assert (written.out, error["code"], error["details"]) == ("", "validation", {"field": "command line"})
    assert told in error["message"]
    assert error["hint"] == f"see `{path} --help`"


def test_a_time_that_is_no_number_is_wrong_usage():
    done = subprocess.run(
        [PROGRAM, "plugin", "check", "sql", "--timeout", "nan"], check=False, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--timeout" in done.stderr
