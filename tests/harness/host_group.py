"""Several ``devbench-mcp`` behind one address, as the guide sets them up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx2

from engines.install import find_program
from harness.mcp_program import PROGRAM, toml
from harness.redis_server import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "several-hosts.md"
READY_S, STOP_S = 60.0, 30.0
LOOK_S = 0.05


def proxy_config(front: int, ports: list[int]) -> str:
    """Return the guide's configuration of HAProxy for these ports."""
    found = re.search(r"```haproxy\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1].replace("127.0.0.1:8700", f"127.0.0.1:{front}")
    for number, port in enumerate(ports, start=1):
        text = text.replace(f"127.0.0.1:870{number}", f"127.0.0.1:{port}")
    return text


@attrs.frozen(kw_only=True)
class Place:
    """Where a host runs.

    Attributes:
        prefix: What runs its program there, and becomes it.
        environment: Variables beside ours.
    """

    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict[str, str])


HERE = Place()


@attrs.define(kw_only=True)
class Group:
    """Hosts behind a proxy.

    Attributes:
        front: The port of the proxy.
        ports: Those of the hosts.
        config: Of all of them.
        processes: The hosts.
        proxy: The proxy, once it was started.
        places: Where those of some ports run that do not run as we do.
    """

    front: int
    ports: list[int]
    config: Path
    processes: dict[int, asyncio.subprocess.Process] = attrs.field(
        factory=dict[int, asyncio.subprocess.Process]
    )
    proxy: asyncio.subprocess.Process | None = None
    places: Mapping[int, Place] = attrs.field(factory=dict[int, Place])

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.front}/mcp"

    async def start(self, port: int) -> None:
        """Start the host of a port, and wait until it is ready."""
        place = self.places.get(port, HERE)
        argv = (str(PROGRAM), "--transport", "http", "--port", str(port), "--config", str(self.config))
        self.processes[port] = await asyncio.create_subprocess_exec(
            *place.prefix,
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **place.environment},
        )
        await ready(port, self.processes[port])

    async def reached(self) -> None:
        """Wait until the proxy reaches a host."""
        assert self.proxy is not None
        await ready(self.front, self.proxy)

    async def stop(self, port: int) -> int:
        """Ask a host to stop, and return its exit code."""
        process = self.processes.pop(port)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            return await process.wait()

    async def count(self, port: int, metric: str) -> float:
        """Return the sum of a metric of one host."""
        async with httpx2.AsyncClient() as http:
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith(metric)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


async def ready(port: int, process: asyncio.subprocess.Process, address: str = "127.0.0.1") -> None:
    """Wait until a process that listens there can serve."""
    async with httpx2.AsyncClient() as http, asyncio.timeout(READY_S):
        while True:
            assert process.returncode is None, f"it ended with {process.returncode}"
            try:
                if (await http.get(f"http://{address}:{port}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def host_group(
    folder: Path,
    values: Mapping[str, Any],
    *,
    ports: Sequence[int] = (),
    places: Mapping[int, Place] | None = None,
) -> AsyncGenerator[Group]:
    """Run three of them, and HAProxy before them, while the block lasts.

    Args:
        folder: For their configuration.
        values: That.
        ports: Theirs; else any.
        places: Where those of some ports run.
    """
    program = find_program("haproxy")
    assert program is not None, "HAProxy is not installed; install it with: uv run nox -s engines"
    ports = list(ports) or [free_port() for _ in range(3)]
    front = free_port()
    config = folder / "devbench.toml"
    mcp = {"allowed_hosts": [f"127.0.0.1:{front}"], "grace_s": 6}
    config.write_text(toml({**values, "mcp": mcp}), encoding="utf-8")
    config.chmod(0o600)
    proxied = folder / "haproxy.cfg"
    proxied.write_text(proxy_config(front, ports), encoding="utf-8")
    group = Group(front=front, ports=ports, config=config, places=places or {})
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_all_ended, group)
        await asyncio.gather(*(group.start(port) for port in ports))
        # after them: it takes each for well until a check fails, and else for ill until one succeeds
        group.proxy = await asyncio.create_subprocess_exec(program, "-q", "-db", "-f", str(proxied))
        stack.push_async_callback(ended, group.proxy)
        await group.reached()
        yield group


async def _all_ended(group: Group) -> None:
    await asyncio.gather(*(ended(process) for process in group.processes.values()))


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a process, and wait for it."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
