"""A host as a process of its own that does what it is told, to be stopped, killed or left.

Run as ``python -m harness.standing_host CONFIG``. It answers each line of its input, a JSON list of a name and
arguments, with a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import DevbenchError, InputUnavailable
from devbench_core.model.execution import ExecRequest

START_S = 60.0
END_S = 30.0


@attrs.frozen(kw_only=True)
class Host:
    """A host that lives.

    Attributes:
        process: Its process.
        instance: Its id among the hosts.
    """

    process: asyncio.subprocess.Process
    instance: str

    async def __call__(self, name: str, *arguments: Any) -> Any:
        """Tell it to do something and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        return await _answer(self.process)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


@asynccontextmanager
async def standing_host(config: Mapping[str, Any]) -> AsyncGenerator[Host]:
    """Start a host; when the block is left it goes, cleanly if it still can."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "harness.standing_host", json.dumps(config)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        async with asyncio.timeout(START_S):
            instance = await _answer(process)
        yield Host(process=process, instance=instance)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _answer(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, "the host ended"
    return json.loads(line)


class Orders:
    """What it can be told."""

    def __init__(self, bench: devbench_core.Bench) -> None:
        self._bench = bench

    async def spawn(self, alias: str, persistent: bool = True) -> str:
        """Make a container."""
        request = SpawnRequest(alias=alias, persistent=persistent)
        return (await self._bench.containers.spawn(request)).container.id

    async def write(self, container: str, path: str, data: str) -> None:
        """Write a program."""
        await self._bench.files.write(container, path, bytes.fromhex(data), mode=0o755)

    async def start(self, container: str, *argv: str) -> str:
        """Start a command."""
        return (await self._bench.execs.start(container, ExecRequest(argv=argv))).id

    async def start_open(self, container: str, *argv: str) -> str:
        """Start a command with an open input."""
        return (await self._bench.execs.start(container, ExecRequest(argv=argv), open_stdin=True)).id

    async def input(self, exec_id: str, text: str, eof: bool = False) -> Any:
        """Give it input."""
        taken = await self._bench.execs.write_input(exec_id, text.encode(), eof=eof)
        return [taken.accepted_bytes, taken.eof]

    async def open_shell(self, container: str) -> str:
        """Open a shell."""
        return (await self._bench.shells.open(container)).id

    async def type_into(self, shell_id: str, text: str) -> None:
        """Type into a shell until it is known to have no input any more."""
        while True:
            try:
                await self._bench.shells.input(shell_id, text.encode())
            except InputUnavailable:
                return

    async def poll(self, exec_id: str, after: int, wait_s: float) -> Any:
        """Return new output, the cursor, and the exit code of one that has ended."""
        page = await self._bench.execs.poll(exec_id, after=after, wait_s=wait_s)
        text = b"".join(chunk.data for chunk in page.chunks).decode()
        return [text, page.cursor, None if page.ending is None else page.ending.exit_code]


async def _serve(config: str) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with devbench_core.open(json.loads(config)) as bench:
        _say(bench.instance)
        orders = Orders(bench)
        async for line in reader:
            name, *arguments = json.loads(line)
            try:
                _say(await getattr(orders, name)(*arguments))
            except DevbenchError as error:
                _say({"code": error.code, "message": error.message, "details": error.details})


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - whoever runs this waits for it


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
