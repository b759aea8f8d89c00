"""What a tool call costs over HTTP beside the bare SDK's: the same trivial tool, on kept sessions, in both eras.

Both servers run as processes of their own (``python -m performance.mcp_floor bare|ours``) on loopback, with the
same HTTP server; the official client calls them in turn.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvicorn
from mcp import Client
from mcp.server import MCPServer
from pydantic import BaseModel, Field

import devbench_core
from devbench_core.hookspecs import hookimpl
from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.fake.bench import LOOSE
from devbench_core.tool import Tool, ToolContext, ToolHints, ToolInput, ToolOutput
from devbench_mcp.http import serve_http
from devbench_mcp.settings import mcp_settings
from performance.measure import Row, Step, interleave

BOUND = 1.3
"""At most so many times the bare SDK's round trip."""
START_S = 30.0
STOP_S = 15.0
ERAS = {"handshake era, kept session": "legacy", "stateless era, kept client": "2026-07-28"}


async def run(rounds: int = 300) -> list[Row]:
    """Measure the trivial call in both eras.

    Args:
        rounds: How often each server is called in each era.
    """
    async with _server("bare") as bare, _server("ours") as ours:
        return [await _era(name, mode, bare, ours, rounds) for name, mode in ERAS.items()]


async def _era(name: str, mode: str, bare: str, ours: str, rounds: int) -> Row:
    async with AsyncExitStack() as stack:
        steps: dict[str, Step] = {}
        for contender, url in (("bare SDK", bare), ("devbench-mcp", ours)):
            client = await stack.enter_async_context(Client(url, mode=mode))
            steps[contender] = _call(client)
        return await interleave(
            f"trivial tool over HTTP, {name}",
            steps,
            rounds=rounds,
            bounds={"devbench-mcp": BOUND},
            warm_up=20,
        )


def _call(client: Client) -> Step:
    async def step() -> None:
        result = await client.call_tool("add", {"first": 1, "second": 2})
        if result.is_error or result.structured_content != {"total": 3}:
            raise AssertionError(result)

    return step


@asynccontextmanager
async def _server(kind: str) -> AsyncGenerator[str, None]:
    """Run a server as a process; give its URL, which it prints as its first line."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "performance.mcp_floor", kind),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    if process.stdout is None:
        raise AssertionError("no stdout")
    try:
        first = await asyncio.wait_for(process.stdout.readline(), START_S)
        if not first:
            raise AssertionError(f"the {kind} server did not start")
        yield first.decode().strip()
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), STOP_S)


class Total(BaseModel):
    """The bare server's result."""

    total: int = Field(description="The sum.")


async def _bare() -> None:
    server = MCPServer("bare", log_level="ERROR")

    @server.tool()
    async def add(first: int, second: int) -> Total:  # pyright: ignore[reportUnusedFunction] - registered
        """Add two numbers."""
        return Total(total=first + second)

    config = uvicorn.Config(server.streamable_http_app(), port=0, log_config=None, access_log=False)
    http = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(http.serve())
        while not http.started:
            await asyncio.sleep(0.01)
        _announce(f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}/mcp")


class AddInput(ToolInput):
    """Our arguments."""

    first: int = Field(description="One number.")
    second: int = Field(description="The other.")


class AddOutput(ToolOutput):
    """Our result."""

    total: int = Field(description="The sum.")


async def _add(_context: ToolContext, given: AddInput) -> AddOutput:
    return AddOutput(total=given.first + given.second)


class Adder:
    """Offers the trivial tool."""

    @hookimpl
    def devbench_tools(self) -> Sequence[Tool]:
        """Offer it."""
        return [
            Tool(
                name="add",
                title="Add",
                description="Add two numbers.",
                input=AddInput,
                output=AddOutput,
                hints=ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False),
                scope="read",
                handler=_add,
            )
        ]


async def _ours() -> None:
    with tempfile.TemporaryDirectory(prefix="devbench-floor-") as folder:
        config: dict[str, object] = {
            "plugins": [],
            "runtime": "fake",
            "store": "memory",
            "state_dir": f"{folder}/state",
            "cache_dir": f"{folder}/cache",
            "policy": LOOSE,
        }
        async with devbench_core.open(config, plugins=[FakePlugin(Path(folder)), Adder()]) as bench:
            await serve_http(bench, mcp_settings({"port": 0}), stopping=asyncio.Event(), started=_announce)


def _announce(url: str) -> None:
    print(url, flush=True)  # noqa: T201 - read by the measuring process


def main(kind: str) -> None:
    """Serve, or measure when nothing is named."""
    if kind == "bare":
        asyncio.run(_bare())
    elif kind == "ours":
        from devbench_core import logs

        logs.configure()
        asyncio.run(_ours())
    else:
        asyncio.run(run())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
