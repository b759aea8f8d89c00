"""Three hosts on a Docker engine of their own, which goes on or away as a test says."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from devbench_core.engines.names import PREFIX
from engines.api import DockerApi
from engines.images import recipe
from engines.places import PRIVATE_PARENT, PRIVATE_PREFIX
from harness.chaos.bubblewrap_world import values
from harness.chaos.engine_proxy import EngineProxy
from harness.chaos.world import World
from harness.host_group import host_group
from harness.postgres import server
from harness.redis_server import RedisServer

IMAGE = "busybox"
OPTIONS = ("--live-restore",)
"""Its containers live on while it restarts: what is tested is what hosts do meanwhile."""

RESTART = "daemon.restart(daemon.load(place), programs=('dockerd',))"


@asynccontextmanager
async def docker_world(folder: Path, seed: str) -> AsyncGenerator[World]:
    """Run them while the block lasts."""
    place = PRIVATE_PARENT / f"{PRIVATE_PREFIX}{secrets.token_hex(4)}"
    try:
        await _told(place, f"daemon.start(place, owner_pid={os.getpid()}, options={OPTIONS!r})")
        engine = f"unix://{place}/docker.sock"
        await asyncio.to_thread(_provide, engine)
        proxy = EngineProxy(place / "docker.sock")
        with server(durable=True) as store, RedisServer() as lock:
            async with proxy.at(place / "proxy.sock") as host:
                common = values(store.database(), lock.url, folder)
                config = {
                    **common,
                    "runtime": "docker",
                    "images": {"default": recipe(IMAGE).reference},
                    "plugin": {**common["plugin"], "docker": {"host": host}},
                }
                async with host_group(folder, config) as group:
                    yield World(
                        group=group,
                        store=store,
                        store_url=common["plugin"]["sql"]["url"],
                        lock=lock,
                        on_engine=lambda: _found(engine),
                        chance=random.Random(seed),  # noqa: S311 - repeated by its seed
                        proxy=proxy,
                        restart_engine=lambda: _told(place, RESTART),
                    )
                left = await asyncio.to_thread(_left, engine)
                assert not left, f"the hosts ended, and left {left}"
    finally:
        await _told(place, "daemon.stop(daemon.load(place))")


async def _told(place: Path, what: str) -> None:
    """Do something with the engine in a process of its own: it reaps every child, and ours have owners."""
    lines = f"import pathlib; from engines import daemon; place = pathlib.Path({str(place)!r}); {what}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", lines, env=environment)
    assert await process.wait() == 0, f"{what} failed"


def _provide(host: str) -> None:
    wanted = recipe(IMAGE)
    with wanted.tar.open("rb") as stream:
        DockerApi(host).import_image(wanted.reference, stream, wanted.changes, "chaos")


def _found(host: str) -> list[str]:
    """Return the ids of containers, and the names of helpers."""
    return [name.removeprefix(PREFIX) for name in DockerApi(host).container_names(PREFIX)]


def _left(host: str) -> list[str]:
    api = DockerApi(host)
    return [*api.container_names(PREFIX), *api.volume_names(f"{PREFIX}workspace-")]
