"""What `deploy/` sets up runs: the very commands and files of the composition, but for where things are."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from engines.install import find_program
from harness.host_group import ended, ready
from harness.mcp_program import PROGRAM, Tools, over_http
from harness.postgres import Server
from harness.redis_server import RedisServer, free_port

DEPLOY = Path(__file__).parents[3] / "deploy"
UNIT = DEPLOY / "systemd" / "devbench-mcp@.service"
ERA = "2026-07-28"
TOKEN = "a token of sixteen or more"
SECRETS = {"TEAM_TOKEN": TOKEN, "LINK_KEY": "k" * 40}
ADDRESSES = {"host-one": "127.0.0.2", "host-two": "127.0.0.3", "host-three": "127.0.0.4"}
"""In place of the network of the composition: each has the same port at an address of its own."""


def services() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))["services"]


def filled(text: str) -> str:
    """Replace ``${NAME:?why}`` as compose does."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: SECRETS[found[1]], text)


def configuration(folder: Path, postgres: str, redis: str, port: int, front: int) -> Path:
    """Write the hosts' file with this machine's servers in it."""
    text = (DEPLOY / "devbench.toml").read_text(encoding="utf-8")
    for old, new in (
        ('runtime = "docker"', 'runtime = "bubblewrap"'),
        ("postgresql+asyncpg://devbench@store/devbench", postgres),
        ("redis://lock", redis),
        ("port = 8765", f"port = {port}"),
        ("devbench.example.com", f"127.0.0.1:{front}"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "devbench.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def proxy_file(folder: Path, port: int, front: int) -> Path:
    """Write the proxy's file with this machine's addresses in it."""
    text = (
        (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8").replace("bind :8700", f"bind 127.0.0.1:{front}")
    )
    for name, address in ADDRESSES.items():
        assert f" {name}:8765" in text
        text = text.replace(f" {name}:8765", f" {address}:{port}")
    path = folder / "haproxy.cfg"
    path.write_text(text, encoding="utf-8")
    return path


@asynccontextmanager
async def running(*argv: str, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a process with these variables while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        await ended(process)


@pytest.fixture
async def here(
    tmp_path: Path, postgres_server: Server
) -> AsyncGenerator[tuple[dict[str, str], Path, int, int]]:
    """Give variables of hosts on this machine, their file, their port, and the proxy's."""
    port, front = free_port(), free_port()
    url = await asyncio.to_thread(postgres_server.database)
    with RedisServer() as redis:
        variables = {
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
            "DEVBENCH_IMAGES__DEFAULT": "host",
            "DEVBENCH_STATE_DIR": str(tmp_path / "state"),
            "DEVBENCH_CACHE_DIR": str(tmp_path / "cache"),
        }
        yield variables, configuration(tmp_path, url, redis.url, port, front), port, front


async def said(tools: Tools, word: str) -> str:
    page = await tools.run("work", "echo", word)
    return "".join(piece["text"] for piece in page["output"])


@pytest.mark.timeout(180)
async def test_the_hosts_and_the_proxy_of_the_composition_serve_and_one_may_stop(
    here: tuple[dict[str, str], Path, int, int], tmp_path: Path
):
    variables, config, port, front = here
    program = find_program("haproxy")
    assert program is not None
    composed = {name: each for name, each in services().items() if "command" in each}
    assert composed.keys() == ADDRESSES.keys()
    async with AsyncExitStack() as stack:
        hosts: dict[str, asyncio.subprocess.Process] = {}
        for name, service in composed.items():
            argv = [word.replace("/etc/devbench/devbench.toml", str(config)) for word in service["command"]]
            own = {key: filled(value) for key, value in service["environment"].items()}
            starting = running(*argv, **variables, **own, DEVBENCH_MCP__HOST=ADDRESSES[name])
            hosts[name] = await stack.enter_async_context(starting)
        await asyncio.gather(*(ready(port, hosts[name], address) for name, address in ADDRESSES.items()))
        file = proxy_file(tmp_path, port, front)
        proxy = await stack.enter_async_context(running(program, "-q", "-db", "-f", str(file)))
        await ready(front, proxy)
        url = f"http://127.0.0.1:{front}/mcp"
        async with httpx2.AsyncClient() as stranger:
            assert (await stranger.post(url, json={})).status_code == 401
        async with over_http(url, ERA, TOKEN) as tools:
            await tools("spawn", alias="work", persistent=True)
            assert [await said(tools, f"{number}") for number in range(3)] == ["0\n", "1\n", "2\n"]
            hosts["host-two"].terminate()
            async with asyncio.timeout(float(composed["host-two"]["stop_grace_period"].rstrip("s"))):
                assert await hosts["host-two"].wait() == 0
            await ready(front, proxy)
            assert [await said(tools, f"{number}") for number in range(3)] == ["0\n", "1\n", "2\n"]
            await tools("kill", container="work")


def directive(name: str) -> list[str]:
    """Return the values of a unit's setting."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


@pytest.mark.timeout(120)
async def test_what_the_unit_starts_serves_and_stops_in_its_time(here: tuple[dict[str, str], Path, int, int]):
    variables, config, port, _ = here
    (line,), (stop_s,), (environment,) = (
        directive(name) for name in ("ExecStart", "TimeoutStopSec", "Environment")
    )
    argv = line.replace("%i", str(port)).replace("/etc/devbench/devbench.toml", str(config)).split()
    assert {word.partition("=")[0] for word in environment.split()} < variables.keys()
    secrets = {"TEAM_TOKEN": TOKEN, "DEVBENCH_MCP__LINK_KEY": SECRETS["LINK_KEY"]}
    async with running(*argv, **variables, **secrets) as host:
        await ready(port, host)
        host.terminate()
        async with asyncio.timeout(float(stop_s)):
            assert await host.wait() == 0


async def test_systemd_takes_the_unit():
    program = find_program("systemd-analyze")
    assert program is not None, "systemd is not installed; install it with: uv run nox -s engines"
    process = await asyncio.create_subprocess_exec(
        *(program, "verify", "--man=no", str(UNIT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    about = [text for text in said.decode().splitlines() if UNIT.name.partition("@")[0] in text]
    assert (process.returncode, about) == (0, []), said.decode()
