"""The program ``devbench-mcp`` as a process, and a client's view of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import httpx2
from mcp import Client, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client

PROGRAM = Path(sys.executable).parent / "devbench-mcp"
START_S = 30.0
STOP_S = 30.0
ANNOUNCEMENT = "listening on "


def toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return nested values as TOML; enough for configurations of tests."""
    plain = [
        f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, Mapping)
    ]
    tables = [
        f"\n[{prefix}{key}]\n{toml(cast('Mapping[str, Any]', value), f'{prefix}{key}.')}"
        for key, value in values.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join([*plain, *tables])


class Tools:
    """Calls tools and insists on success."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Return a tool's structured result."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        return cast("dict[str, Any]", result.structured_content)

    async def error(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Return the error that a call must give."""
        result: types.CallToolResult = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.content
        return cast("dict[str, Any]", result.structured_content["error"])

    async def run(self, container: str, *argv: str, **more: Any) -> dict[str, Any]:
        """Run a command to its ending; return the page with all its output."""
        started = await self("exec_start", container=container, argv=list(argv), **more)
        return await self("exec_poll", exec_id=started["exec"]["id"], until="end", wait_s=30)


@attrs.frozen(kw_only=True)
class Address:
    """Where an HTTP host listens."""

    url: str

    @property
    def base(self) -> str:
        """The URL without a path."""
        return self.url.removesuffix("/mcp")


@attrs.frozen(kw_only=True)
class Program(Address):
    """A running HTTP host that a test may stop."""

    process: asyncio.subprocess.Process


@asynccontextmanager
async def over_stdio(config: Path, mode: str) -> AsyncGenerator[Tools, None]:
    """Let the official client start the program and speak through its stdio."""
    parameters = StdioServerParameters(
        command=str(PROGRAM), args=["--config", str(config)], env=dict(os.environ)
    )
    async with Client(parameters, mode=mode) as client:
        yield Tools(client)


@asynccontextmanager
async def http_program(config: Path, port: int = 0, **environment: str) -> AsyncGenerator[Program, None]:
    """Run the program over HTTP, on a free port unless one is named."""
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "--transport", "http", "--port", str(port), "--config", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    async with asyncio.TaskGroup() as group:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        group.create_task(_follow(process, url))
        try:
            yield Program(process=process, url=await asyncio.wait_for(url, START_S))
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                raise


async def _follow(process: asyncio.subprocess.Process, url: asyncio.Future[str]) -> None:
    """Find the announcement on stderr, and keep reading so that the program is never blocked."""
    assert process.stderr is not None
    seen: list[str] = []
    async for line in process.stderr:
        text = line.decode()
        seen.append(text)
        sys.stderr.write(text)
        if ANNOUNCEMENT in text and not url.done():
            url.set_result(text.partition(ANNOUNCEMENT)[2].split()[0])
    if not url.done():
        url.set_exception(AssertionError(f"the program ended: {''.join(seen)}"))


@attrs.frozen(kw_only=True)
class Shared(Address):
    """A running HTTP host of many tests."""

    pid: int


@contextmanager
def shared_program(config: Path, name: str = "host") -> Generator[Shared, None, None]:
    """Run the program over HTTP for many tests, each with a loop of its own; its name is that of its log."""
    log = config.with_name(f"{name}.log")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [str(PROGRAM), "--transport", "http", "--port", "0", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        deadline = time.monotonic() + START_S
        while ANNOUNCEMENT not in (text := log.read_text(encoding="utf-8")):
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        yield Shared(url=text.partition(ANNOUNCEMENT)[2].split()[0], pid=process.pid)
    finally:
        process.terminate()
        process.wait(STOP_S)


@asynccontextmanager
async def over_http(url: str, mode: str, token: str = "") -> AsyncGenerator[Tools, None]:
    """Connect the official client to a host that listens."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=90))
        transport = streamable_http_client(url, http_client=http)
        yield Tools(await stack.enter_async_context(Client(transport, mode=mode)))
