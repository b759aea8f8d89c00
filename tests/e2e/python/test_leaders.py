"""Of several host processes exactly one leads; when it dies or stalls another does, and its late writes are refused."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.model.container import EndReason, Status
from devbench_core.testing.fake.bench import LOOSE
from devbench_core.testing.fake.plugin import FakePlugin
from devbench_core.testing.seeing import until
from harness import leading_host
from harness.leading_host import LATE_WRITE, LeadingHost
from harness.postgres import Server
from harness.redis_server import RedisServer

TTL_S = 1.0
DUE_S = 2.0
LONG_S = 60.0


@pytest.fixture(params=["local", "redis", "postgresql"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[dict[str, Any]]:
    """Give what the hosts share: a SQLite file with the store's own claim or with Redis, or PostgreSQL for both."""
    values: dict[str, Any] = {
        "plugins": ["sql"],
        "runtime": "fake",
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "policy": LOOSE,
        "lifetimes": {"check_interval_s": 0.1, "leader_ttl_s": TTL_S},
    }
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres_server")
        yield values | {"lock": "sql", "plugin": {"sql": {"url": server.database()}}}
    elif request.param == "redis":
        with RedisServer() as redis:
            lock = {"lock": "redis", "plugins": ["sql", "redis"], "plugin": {"redis": {"url": redis.url}}}
            yield values | lock
    else:
        yield values


async def next_leader(hosts: list[LeadingHost]) -> LeadingHost:
    """Return the one of them that says next that it leads; the others say nothing."""
    asked = {asyncio.create_task(host.says()): host for host in hosts}
    done, rest = await asyncio.wait(asked, timeout=LONG_S, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == ["leads"]
    for task in rest:
        task.cancel()
    await asyncio.wait(rest) if rest else None
    return asked[done.pop()]


@pytest.mark.timeout(180)
async def test_one_of_three_hosts_leads_until_it_dies_or_stalls_and_its_late_writes_are_refused(
    config: dict[str, Any], tmp_path: Path
):
    containers = tmp_path / "containers"
    hosts = [await leading_host.started(config, containers) for _ in range(3)]
    try:
        first = await next_leader(hosts)
        await first.told(f"spawn {DUE_S}")
        container_id = (await first.says_once_it_leads()).removeprefix("spawned ")
        await first.told("stall")
        assert await first.says_once_it_leads() == "stalls"
        first.process.send_signal(signal.SIGSTOP)
        others = [host for host in hosts if host is not first]
        second = await next_leader(others)
        values = config | {"lifetimes": {"check_interval_s": LONG_S}}
        async with devbench_core.open(values, plugins=[FakePlugin(containers)], serving=False) as bench:

            async def status() -> Status:
                return (await bench.containers.get(container_id)).status

            await until(status, Status.GONE.__eq__)
            ended = await bench.containers.get(container_id)
            first.process.send_signal(signal.SIGCONT)
            await first.told("go on")
            said = {await first.says(), await first.says()}
            assert said & {"refused: lease_lost", "refused: stale_token"}, said
            assert "follows" in said
            assert await bench.containers.get(container_id) == ended
            assert await bench.store.get(LATE_WRITE.kind, LATE_WRITE.key) is None
        assert ended.ending is not None
        assert ended.ending.reason is EndReason.EXPIRED
        second.process.kill()
        await second.process.wait()
        await next_leader([host for host in hosts if host is not second])
    finally:
        for host in hosts:
            if host.process.returncode is None:
                host.process.send_signal(signal.SIGCONT)
                host.process.kill()
                await host.process.wait()
