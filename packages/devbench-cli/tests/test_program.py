"""However a command ends, its exit code says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from devbench_cli.app import app
from devbench_cli.program import run_program


def test_a_reader_that_went_away_ends_the_program_quietly():
    nobody, ours = os.pipe()
    os.close(nobody)
    program = str(Path(sys.executable).with_name("devbench"))
    with os.fdopen(ours, "w") as output:
        done = subprocess.run(
            [program, "--help"], check=False, stdout=output, stderr=subprocess.PIPE, timeout=60
        )
    assert (done.returncode, done.stderr) == (141, b"")


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
