"""Three hosts of bubblewrap on servers of their own, whose disks, clocks and cables can be meddled with."""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.chaos.clocks import clock, compiled
from harness.chaos.disks import small_disk
from harness.chaos.links import link
from harness.chaos.world import World
from harness.host_group import Place, host_group
from harness.postgres import server
from harness.redis_server import RedisServer, free_port

MIB = 1 << 20
STORE_BYTES, WORKSPACES_BYTES = 1024 * MIB, 256 * MIB
SETTINGS = ("max_wal_size=128MB", "min_wal_size=32MB")
"""So that the log stays small beside the disk."""


def values(store_url: str, lock_url: str, folder: Path) -> dict[str, Any]:
    """Return what the configurations of all hosts have in common."""
    return {
        "store": "sql",
        "lock": "redis",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "lifetimes": {"hand_over": True, "check_interval_s": 1, "leader_ttl_s": 2},
        "startup": {"heartbeat_s": 0.5, "dead_after_s": 1.5},
        "plugin": {
            "sql": {"url": store_url, "connect_timeout_s": 1, "busy_timeout_s": 3},
            "redis": {"url": lock_url},
        },
    }


@asynccontextmanager
async def bubblewrap_world(folder: Path, seed: str) -> AsyncGenerator[World]:
    """Run them while the block lasts; the first lives by a clock of its own, the second behind a cable of its own."""
    name = secrets.token_hex(4)
    ports = [free_port() for _ in range(3)]
    own_clock = clock(compiled(folder), folder / "ahead")
    with (
        small_disk(Path("/var/tmp") / f"devbench-chaos-pg-{name}", STORE_BYTES) as store_disk,
        small_disk(Path("/var/tmp") / f"devbench-chaos-{name}", WORKSPACES_BYTES) as disk,
        _all_ended(disk),
        RedisServer() as lock,
    ):
        async with link(ports[1]) as cable:
            with server(
                durable=True,
                folder=store_disk,
                address=cable.address,
                network=cable.network,
                settings=SETTINGS,
            ) as store:
                common = values(store.database(), lock.url, folder)
                plugins = {**common["plugin"], "bubblewrap": {"folder": str(disk)}}
                config = {**common, "runtime": "bubblewrap", "images": {"default": "host"}, "plugin": plugins}
                places = {
                    ports[0]: Place(environment=own_clock.environment),
                    ports[1]: Place(prefix=cable.prefix),
                }
                async with host_group(folder, config, ports=ports, places=places) as group:
                    yield World(
                        group=group,
                        store=store,
                        store_url=plugins["sql"]["url"],
                        lock=lock,
                        on_engine=lambda: _found(disk),
                        chance=random.Random(seed),  # noqa: S311 - repeated by its seed
                        disk=disk,
                        clocks={ports[0]: own_clock},
                        link=cable,
                    )


def _found(disk: Path) -> list[str]:
    """Return the ids of containers that have a folder or a process."""
    found = {path.name for path in (disk / "containers").iterdir()} | set(_processes(disk).values())
    return list({name.partition(".")[0] for name in found if name.startswith("c_")})


def _processes(disk: Path) -> dict[int, str]:
    """Return the first processes of containers, whose standard error is a log in a folder of the container's."""
    found: dict[int, str] = {}
    for error in Path("/proc").glob("[0-9]*/fd/2"):
        with suppress(OSError):  # it ended meanwhile
            target = error.readlink()
            if target.is_relative_to(disk):
                found[int(error.parts[2])] = target.parent.name
    return found


@contextmanager
def _all_ended(disk: Path) -> Generator[None]:
    """End what a test that failed has left running there."""
    try:
        yield
    finally:
        for pid in _processes(disk):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
