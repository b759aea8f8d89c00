"""The same operations through devbench's Python API and through its MCP host over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client

from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import ExecReason, ExecRequest
from performance.nothing import NAME as NOTHING

START_S = 30.0


class Python:
    """Through the Python API."""

    def __init__(self, bench: Bench, image: str) -> None:
        self._bench = bench
        self._image = image
        self.container = ""

    async def spawn(self) -> None:
        """Spawn; when it returns the first command can start."""
        spawned = await self._bench.containers.spawn(SpawnRequest(image=self._image))
        self.container = spawned.container.id

    async def kill(self) -> None:
        """Kill."""
        if self.container:
            await self._bench.containers.kill(self.container)
            self.container = ""

    async def true(self) -> None:
        """Run a trivial command to its ending."""
        await self.run("true")

    async def nothing(self) -> None:
        """Run the empty program to its ending."""
        await self.run(f"/workspace/{NOTHING}")

    async def put_nothing(self, program: bytes) -> None:
        """Bring the empty program in."""
        await self._bench.files.write(self.container, NOTHING, program, mode=0o755)

    async def run(self, program: str) -> None:
        """Run a program to its ending, which must be a good one."""
        run = await self._bench.execs.start(self.container, ExecRequest(argv=(program,)))
        done = await self._bench.execs.wait(run.id, wait_s=30)
        if done.ending is None or done.ending.reason is not ExecReason.EXITED or done.ending.exit_code != 0:
            raise AssertionError(done)

    async def read(self, name: str, size: int) -> None:
        """Read a file."""
        content = await self._bench.files.read(self.container, name)
        if len(content.data) != size:
            raise AssertionError(name)

    async def write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Write a file; a durable one is on disk when this returns."""
        await self._bench.files.write(self.container, name, data, durable=durable)


class Mcp:
    """Through the MCP host over HTTP, on a kept session."""

    def __init__(self, client: Client, image: str) -> None:
        self._client = client
        self._image = image
        self.container = ""

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed."""
        result = await self._client.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            raise AssertionError(f"{tool}: {result}")
        return dict(result.structured_content)

    async def spawn(self) -> None:
        """Spawn."""
        answer = await self.call("spawn", image=self._image)
        container: Any = answer.get("container", answer)
        self.container = str(container["id"])

    async def kill(self) -> None:
        """Kill."""
        if self.container:
            await self.call("kill", container=self.container)
            self.container = ""

    async def true(self) -> None:
        """Run a trivial command by one call, as an agent does."""
        done = await self.call("run", container=self.container, argv=["true"])
        ending: Any = done["exec"]["ending"]
        if ending["reason"] != "exited":
            raise AssertionError(done)

    async def read(self, name: str, size: int) -> None:
        """Read a file."""
        _ = size
        await self.call("fs_read", container=self.container, path=name)

    async def write(self, name: str, text: str) -> None:
        """Write a file."""
        await self.call("fs_write", container=self.container, path=name, text=text)


@asynccontextmanager
async def serving(config: Path) -> AsyncGenerator[str, None]:
    """Run devbench-mcp over HTTP on a free port; give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "devbench-mcp"), "--transport", "http", "--port", str(port)]
    host = subprocess.Popen([*command, "--config", str(config)], env=dict(os.environ))  # noqa: ASYNC220
    try:
        deadline = time.monotonic() + START_S
        while not ready(port):
            if host.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("devbench-mcp did not start")
            time.sleep(0.1)  # noqa: ASYNC251 - nothing else runs yet
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        host.terminate()
        host.wait(30)


def ready(port: int) -> bool:
    """Ask the host whether it serves."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
