"""``python -m composed``: starts the composition, uses it as a client does, stops one host, and takes all down."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from composed import images
from engines.api import DockerApi
from engines.images import image_reference
from engines.install import Need, install_missing
from engines.places import DOCKER_HOST_VARIABLE
from engines.progress import say
from harness.mcp_program import Tools, over_http

DEPLOY = Path(__file__).parents[2] / "deploy"
NEEDS = (Need(probe="docker-compose", package="docker-compose", why="the composition"),)
HOSTS = ("host-one", "host-two", "host-three")
NETWORK, PROXY = "172.31.250.0/24", "172.31.250.10"
ADDRESS = f"{PROXY}:8700"
"""The engine of the tests leaves the machine's packet filter alone, so it publishes no port."""
ERA = "2026-07-28"
TOKEN = "a token of sixteen or more"
READY_S = 120.0
STOP_S = 20.0
"""As the file says."""


def main() -> int:
    """Run it; every expectation that does not hold is an error."""
    host = os.environ[DOCKER_HOST_VARIABLE]
    install_missing(NEEDS)
    images.provide(host)
    with _folder(host) as folder:
        try:
            _compose(folder, host, "up", "-d")
            asyncio.run(_use(folder, host))
        except BaseException:
            _compose(folder, host, "logs", "--no-color", "--tail", "40")
            raise
        finally:
            _compose(folder, host, "down", "-v")
    left = DockerApi(host).container_names("devbench")
    if left:
        raise AssertionError(f"the composition left {left}")
    say("the composition served, also when one of its hosts stopped and came back, and left nothing")
    return 0


async def _use(folder: Path, host: str) -> None:
    await _ready()
    async with httpx2.AsyncClient() as stranger:
        answer = await stranger.post(f"http://{ADDRESS}/mcp", json={})
    _expect(answer.status_code == 401, f"a stranger was answered {answer.status_code}")
    async with over_http(f"http://{ADDRESS}/mcp", ERA, TOKEN) as tools:
        await tools("spawn", alias="work", persistent=True)
        await _say(tools)
        say("stopping host-two")
        begun_s = asyncio.get_running_loop().time()
        await asyncio.to_thread(_compose, folder, host, "stop", "host-two")
        took_s = asyncio.get_running_loop().time() - begun_s
        _expect(took_s < STOP_S, f"host-two took {took_s:.0f} s to stop")
        await _say(tools)
        say("killing host-three, and starting both again")
        await asyncio.to_thread(_compose, folder, host, "kill", "host-three")
        await _ready()
        await _say(tools)
        await asyncio.to_thread(_compose, folder, host, "up", "-d")
        await _ready()
        await _say(tools)
        await tools("kill", container="work")


async def _say(tools: Tools) -> None:
    for number in range(2 * len(HOSTS)):  # each host has its turn
        page = await tools.run("work", "echo", f"{number}")
        said = "".join(piece["text"] for piece in page["output"])
        _expect(said == f"{number}\n", f"{number} came out as {said!r}")


async def _ready() -> None:
    """Wait until the proxy has a host that is ready, several times in a row: one for each host that is up."""
    async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(READY_S):
        in_a_row = 0
        while in_a_row < 2 * len(HOSTS):
            try:
                answer = await http.get(f"http://{ADDRESS}/readyz")
                in_a_row = in_a_row + 1 if answer.status_code == 200 else 0
            except httpx2.TransportError:
                in_a_row = 0
            if not in_a_row:
                await asyncio.sleep(0.5)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


@contextmanager
def _folder(host: str) -> Generator[Path]:
    """Lay out the files as they are, beside one that says what differs here: the engine, and where the proxy is."""
    folder = Path(tempfile.mkdtemp(prefix="devbench-composed-", dir="/var/tmp"))  # private by mkdtemp
    try:
        shutil.copytree(DEPLOY, folder / "deploy")
        socket = host.removeprefix("unix://")
        differs = {
            "volumes": [f"{socket}:/var/run/docker.sock"],
            "environment": {
                "DEVBENCH_IMAGES__DEFAULT": image_reference("busybox"),
                "DEVBENCH_MCP__ALLOWED_HOSTS": json.dumps([ADDRESS]),
            },
        }
        here = {
            "version": "3.4",
            "services": {
                **dict.fromkeys(HOSTS, differs),
                "proxy": {"networks": {"default": {"ipv4_address": PROXY}}},
            },
            "networks": {"default": {"ipam": {"config": [{"subnet": NETWORK}]}}},
        }
        (folder / "deploy" / "here.yml").write_text(json.dumps(here), encoding="utf-8")
        yield folder / "deploy"
    finally:
        shutil.rmtree(folder)


def _compose(folder: Path, host: str, *words: str) -> None:
    files = ("-f", "compose.yml", "-f", "here.yml")
    secrets = {"TEAM_TOKEN": TOKEN, "LINK_KEY": "k" * 40, "DOCKER_HOST": host}
    subprocess.run(
        ["docker-compose", "-p", "devbench", *files, *words],
        cwd=folder,
        env={**os.environ, **secrets},
        check=True,
        timeout=300,
    )


if __name__ == "__main__":
    sys.exit(main())
