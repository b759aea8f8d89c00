"""The program's process ends at once, and as an exit does."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import atexit, sys, threading
from devbench_cli import main
def work():
    {work}
    sys.exit({code})
main.main = work
main.run()
"""


def ended(work: str, code: str, given: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN.format(work=work, code=code)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_what_was_written_is_flushed_and_what_was_registered_for_the_exit_is_done():
    code, out, err = ended("atexit.register(print, 'registered'); print('said', end=' ')", "7")
    assert (code, out, err) == (7, "said registered\n", "")


def test_modules_are_not_taken_apart():
    work = "main.thing = type('T', (), {'__del__': lambda self: print('apart', flush=True)})()"
    assert ended(work, "0") == (0, "", "")
    assert ended(work, "'a text'")[1] == "apart\n"


def test_another_thread_is_waited_for():
    work = "threading.Thread(target=lambda: print('read', len(sys.stdin.read()))).start()"
    assert ended(work, "3", "four") == (3, "read 4\n", "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_does_not_change_the_exit_code(stream: str):
    assert ended(f"sys.{stream}.close()", "5")[0] == 5
    assert ended(f"sys.{stream} = None", "5")[0] == 5
