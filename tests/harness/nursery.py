"""Hosts as processes of their own that are born in milliseconds, to be killed at any moment.

Run as ``python -m harness.nursery CONFIG FOLDER``: a process that has imported all that a host needs and forks one
for each line of its input. A host asks for its command under an idempotency key, as a client does whose host died,
and follows it; each page that it was shown is a line of its report.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import attrs

import devbench_core
from devbench_core.model.execution import ExecRequest

KEY = "the one command"


@attrs.frozen(kw_only=True)
class Shown:
    """A page that a host was shown before it died."""

    after: int
    cursor: int
    size: int


@attrs.frozen(kw_only=True)
class Born:
    """A host that lives.

    Attributes:
        pid: Its process.
        report: Where it writes what it is shown.
    """

    pid: int
    report: Path

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        os.kill(self.pid, signal.SIGKILL)

    def pages(self) -> list[Shown]:
        """Return what it was shown so far; a line that its death cut off does not count."""
        lines = self.report.read_bytes().split(b"\n")[:-1]
        rows: list[list[int]] = [json.loads(line) for line in lines]
        return [Shown(after=after, cursor=cursor, size=size) for after, cursor, size in rows]


@attrs.frozen
class Nursery:
    """The process that hosts are forked from."""

    process: subprocess.Popen[bytes]
    folder: Path

    def bear(self, name: str, config: dict[str, Any], container: str, argv: list[str], after: int) -> Born:
        """Start a host that follows the command after a cursor."""
        orders, answers = _ends(self.process)
        report = self.folder / name
        report.touch()
        order = {
            "config": config,
            "container": container,
            "argv": argv,
            "after": after,
            "report": str(report),
        }
        orders.write(json.dumps(order).encode() + b"\n")
        orders.flush()
        return Born(pid=int(answers.readline()), report=report)


@contextlib.contextmanager
def open_nursery(config: dict[str, Any], folder: Path) -> Generator[Nursery]:
    """Give a nursery for hosts of a runtime while the block lasts."""
    folder.mkdir()
    words = [sys.executable, "-m", "harness.nursery", json.dumps(config), str(folder)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        _ends(process)[1].readline()  # it is ready
        yield Nursery(process, folder)


def _ends(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


async def _warm_up(config: dict[str, Any], folder: str) -> None:
    """Import what a host imports where it opens things."""
    async with devbench_core.open({**config, "state_dir": f"{folder}/warm"}):
        pass


async def _live(order: dict[str, Any]) -> None:
    report = os.open(order["report"], os.O_WRONLY | os.O_APPEND)
    after: int = order["after"]
    async with devbench_core.open(order["config"]) as bench:
        request = ExecRequest(argv=tuple(order["argv"]))
        started = await bench.execs.start(order["container"], request, idempotency_key=KEY)
        while True:
            page = await bench.execs.poll(started.id, after=after, wait_s=10)
            size = sum(len(chunk.data) for chunk in page.chunks)
            os.write(report, json.dumps([after, page.cursor, size]).encode() + b"\n")
            after = page.cursor


def _main(config: str, folder: str) -> None:
    asyncio.run(_warm_up(json.loads(config), folder))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries those who are killed
    print("ready", flush=True)  # noqa: T201 - whoever runs this waits for it
    born: list[int] = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            os.open(os.devnull, os.O_RDONLY)
            os.dup2(2, 1)
            asyncio.run(_live(json.loads(line)))
            os._exit(1)
        born.append(pid)
        print(pid, flush=True)  # noqa: T201 - the answer
    for pid in born:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _main(*sys.argv[1:])
