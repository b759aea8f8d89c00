"""What `serve_stdio` does with the core that it is to open, whatever becomes of its client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest

import devbench_core
from devbench_core.errors import StoreFailed
from devbench_mcp.settings import McpSettings
from devbench_mcp.stdio import serve_stdio
from harness.greeting import INITIALIZE

Opening = AbstractAsyncContextManager[devbench_core.Bench]
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


class Pipes:
    """The client's ends of what is stdin and stdout to who serves it."""

    def __init__(self) -> None:
        theirs, self._in = os.pipe()
        self.out, their_out = os.pipe()
        self._stdin, self._stdout = os.fdopen(theirs), os.fdopen(their_out, "w")

    def say(self, *messages: object) -> None:
        """Send messages."""
        os.write(self._in, b"".join(json.dumps(each).encode() + b"\n" for each in messages))

    def leave(self) -> None:
        """Say nothing more."""
        os.close(self._in)

    def close(self) -> None:
        """Close what is open still."""
        for end in (self._in, self.out):
            with suppress(OSError):
                os.close(end)
        for stream in (self._stdin, self._stdout):
            with suppress(OSError):
                stream.close()

    async def served(self, opening: Opening, stopping: asyncio.Event | None = None) -> None:
        """Serve the client."""
        with pytest.MonkeyPatch.context() as patch:  # not before: pytest has its own for each phase of a test
            patch.setattr(sys, "stdin", self._stdin)
            patch.setattr(sys, "stdout", self._stdout)
            async with asyncio.timeout(30):
                await serve_stdio(
                    opening, McpSettings(), stopping=stopping or asyncio.Event(), opened=lambda: None
                )


@pytest.fixture
def pipes() -> Generator[Pipes]:
    """The client's."""
    made = Pipes()
    yield made
    made.close()


async def test_a_core_that_fails_while_it_is_opened_is_not_hidden_behind_the_client(pipes: Pipes):
    @asynccontextmanager
    async def opening() -> AsyncGenerator[devbench_core.Bench]:
        async with asyncio.TaskGroup():
            raise StoreFailed("the store is gone")
        yield

    pipes.say(INITIALIZE, PING)
    with pytest.raises(ExceptionGroup) as failed:
        await pipes.served(opening())
    assert [str(error) for error in failed.value.exceptions] == ["the store is gone"]


async def test_a_core_is_closed_in_peace_when_the_client_reads_no_more(
    pipes: Pipes, bench: devbench_core.Bench
):
    seen: list[BaseException] = []
    os.close(pipes.out)

    @asynccontextmanager
    async def opening() -> AsyncGenerator[devbench_core.Bench]:
        try:
            yield bench
        except BaseException as error:  # above all a cancellation
            seen.append(error)
            raise

    pipes.say(PING)
    with pytest.raises((BrokenPipeError, ExceptionGroup)):
        await pipes.served(opening())
    assert not seen


async def test_a_core_is_not_opened_for_a_host_that_is_stopped_before(pipes: Pipes):
    @asynccontextmanager
    async def opening() -> AsyncGenerator[devbench_core.Bench]:
        raise AssertionError("it was opened")
        yield

    stopping = asyncio.Event()
    stopping.set()
    await pipes.served(opening(), stopping)


async def test_a_core_is_opened_also_for_a_client_that_leaves_at_once(
    pipes: Pipes, bench: devbench_core.Bench
):
    opened: list[devbench_core.Bench] = []

    @asynccontextmanager
    async def opening() -> AsyncGenerator[devbench_core.Bench]:
        opened.append(bench)
        yield bench

    pipes.say(INITIALIZE)
    pipes.leave()
    await pipes.served(opening())
    assert opened == [bench]


async def test_what_waited_for_a_core_is_not_begun_when_the_host_is_stopped_while_it_opens(
    pipes: Pipes, bench: devbench_core.Bench
):
    stopping = asyncio.Event()

    @asynccontextmanager
    async def opening() -> AsyncGenerator[devbench_core.Bench]:
        stopping.set()
        await asyncio.sleep(0)  # it is noticed
        yield bench

    spawn = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "spawn"}}
    pipes.say(INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, spawn)
    await pipes.served(opening(), stopping)
    assert not (await bench.containers.list(include_ended=True)).containers
