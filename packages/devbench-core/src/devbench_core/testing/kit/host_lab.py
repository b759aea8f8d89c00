"""A container of a host, and working in it through the Python API."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from devbench_core.bench import Bench
from devbench_core.files import Files
from devbench_core.model.execution import Chunk, Exec, ExecEnding, ExecReason, ExecRequest, StreamName
from devbench_core.values import frozen

LOOK_S = 0.05
WAIT_S = 60.0
EACH_WITH_WORD = r"""
    cd /proc
    words() { tail -n +1 [0-9]*/cmdline 2> /dev/null | tr '\0' '\n'; }
    with='/^==> [0-9]*\/cmdline <==$/ { file = $2; next } $0 == word && file != last { print file; last = file }'
    for file in $(words | awk -v word="$0" "$with"); do
        [ $file = $$/cmdline ] || [ ! -e $file ] && continue
"""
"""A shell's loop over the processes with a word among their arguments; its own, which may have ended, do not count.

It starts as many programs on a machine with thousands of processes as in a container with two.
"""
LONGEST_S = 10**9


def long_time() -> str:
    """Return seconds for a ``sleep`` that no test outlives, and that no other process of this machine has as a word."""
    return str(LONGEST_S - secrets.randbelow(LONGEST_S // 2))


@frozen
class Done:
    """A command that ended, and all that it wrote."""

    record: Exec
    chunks: tuple[Chunk, ...]

    @property
    def ending(self) -> ExecEnding:
        """How it ended."""
        assert self.record.ending is not None
        return self.record.ending

    @property
    def out(self) -> bytes:
        """What it wrote to stdout."""
        return self._written(StreamName.STDOUT)

    @property
    def err(self) -> bytes:
        """What it wrote to stderr."""
        return self._written(StreamName.STDERR)

    @property
    def exit_code(self) -> int:
        """Its exit code; it ended by itself."""
        assert self.ending.reason is ExecReason.EXITED, self.ending
        assert self.ending.exit_code is not None
        return self.ending.exit_code

    def _written(self, stream: StreamName) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks if chunk.stream is stream)


@frozen
class Lab:
    """A container.

    Attributes:
        bench: The host.
        container: Its id.
        has_shell: Whether its image has one.
    """

    bench: Bench
    container: str
    has_shell: bool

    @property
    def files(self) -> Files:
        """The operations on files."""
        return self.bench.files

    async def start(self, *argv: str, open_stdin: bool = False, key: str | None = None, **more: Any) -> Exec:
        """Start a command."""
        request = ExecRequest(argv=argv, **more)
        return await self.bench.execs.start(
            self.container, request, open_stdin=open_stdin, idempotency_key=key
        )

    async def done(self, command: Exec) -> Done:
        """Wait for the end of a command."""
        record = await self.bench.execs.wait(command.id, wait_s=WAIT_S)
        assert record.ending is not None, f"{command.argv} did not end"
        process = await self.bench.execs.process(command.id)
        return Done(record=record, chunks=tuple([chunk async for chunk in process.output()]))

    async def run(self, *argv: str, **more: Any) -> Done:
        """Run a command to its end."""
        return await self.done(await self.start(*argv, **more))

    async def sh(self, script: str, **more: Any) -> Done:
        """Run a shell's script to its end."""
        return await self.run("sh", "-c", script, **more)

    async def said(self, script: str) -> str:
        """Return what a shell's script said; it must succeed."""
        done = await self.sh(script)
        assert done.exit_code == 0, done.chunks
        return done.out.decode()

    async def until_said(self, command: Exec, text: bytes) -> None:
        """Wait until a command has written something to stdout."""
        cursor, seen = 0, b""
        while text not in seen:
            page = await self.bench.execs.poll(command.id, after=cursor, wait_s=WAIT_S)
            assert page.chunks, f"{seen!r}, and nothing more"
            seen += b"".join(chunk.data for chunk in page.chunks if chunk.stream is StreamName.STDOUT)
            cursor = page.cursor

    async def processes(self, word: str) -> int:
        """Return how many processes of the container have a word among their arguments."""
        listing = await self.run("sh", "-c", EACH_WITH_WORD + "echo 1; done; true", word)
        return len(listing.out.split())

    async def until_processes(self, word: str, count: int) -> None:
        """Wait until so many have a word: one that is just being executed has no arguments for a moment."""
        while True:
            if await self.processes(word) == count:
                return
            await asyncio.sleep(LOOK_S)

    async def kill(self, word: str) -> None:
        """Kill the processes that have a word among their arguments."""
        assert (await self.run("sh", "-c", EACH_WITH_WORD + "kill -9 ${file%/*}; done", word)).exit_code == 0

    async def folder(self) -> str:
        """Make a folder of its own for a case, and return its path beneath the workspace."""
        name = f"case-{secrets.token_hex(6)}"
        await self.files.mkdir(self.container, name)
        return name
