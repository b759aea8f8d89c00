"""No coroutine of devbench makes a call that is known to block the event loop."""

from pathlib import Path

import pytest

from harness.blocking_calls import scan

REPOSITORY = Path(__file__).resolve().parents[1]
KIT = REPOSITORY / "packages/devbench-core/src/devbench_core/testing/kit"
"""Its coroutines are tests, which may block the loop that is their own."""
SOURCES = sorted(path for path in REPOSITORY.glob("packages/*/src/**/*.py") if path.parent != KIT)

SEEDED = (
    ("import time", "time.sleep(1)"),
    ("from time import sleep as nap", "nap(1)"),
    ("import subprocess as sp", "sp.run(['true'])"),
    ("import subprocess", "subprocess.Popen(['true'])"),
    ("import os", "os.system('true')"),
    ("import os.path", "os.makedirs('x')"),
    ("import shutil", "shutil.rmtree('x')"),
    ("import socket", "socket.create_connection(('localhost', 1))"),
    ("import requests", "requests.get('http://localhost')"),
    ("from urllib.request import urlopen", "urlopen('http://localhost')"),
    ("import sqlite3", "sqlite3.connect('x')"),
    ("import tempfile", "tempfile.mkdtemp()"),
    ("", "open('x')"),
    ("", "x = [line for line in open('x')]"),
    ("from pathlib import Path", "Path('x').read_text()"),
    ("from pathlib import Path", "Path('x').mkdir()"),
    ("from pathlib import Path", "await other(Path('x').read_bytes())"),
    ("from pathlib import Path", "if Path('x').exists(): pass"),
)
INNOCENT = (
    ("import asyncio", "await asyncio.sleep(1)"),
    ("import asyncio, shutil", "await asyncio.to_thread(shutil.rmtree, 'x')"),
    ("import asyncio, time", "await asyncio.to_thread(lambda: time.sleep(1))"),
    ("", "await files.unlink('x')"),
    ("import time", "time.monotonic()"),
    ("import time", "time.sleep(0)  # blocks: gives the processor away once"),
    ("from pathlib import Path", "Path('x').unlink()  # noqa: ASYNC240 - on the way out"),
    ("", "text = 'a'.replace('a', 'b')"),
)


def _module(header: str, statement: str) -> str:
    return f"{header}\nasync def coroutine():\n    {statement}\n"


@pytest.mark.parametrize(("header", "statement"), SEEDED, ids=[statement for _, statement in SEEDED])
def test_a_seeded_blocking_call_is_found(header: str, statement: str):
    [found] = scan(_module(header, statement), Path("seeded.py"))
    assert found.coroutine == "coroutine"
    assert found.line == 3


@pytest.mark.parametrize(("header", "statement"), INNOCENT, ids=[statement for _, statement in INNOCENT])
def test_an_innocent_call_is_not_reported(header: str, statement: str):
    assert scan(_module(header, statement), Path("innocent.py")) == []


def test_a_blocking_call_outside_of_coroutines_is_nobodys_business():
    assert scan("import time\ndef function():\n    time.sleep(1)\n", Path("plain.py")) == []


def test_there_is_source_to_scan():
    assert len(SOURCES) > 50


def test_no_coroutine_of_devbench_makes_a_blocking_call():
    found = [call for path in SOURCES for call in scan(path.read_text("utf-8"), path.relative_to(REPOSITORY))]
    assert not found, "\n" + "\n".join(map(str, found))
