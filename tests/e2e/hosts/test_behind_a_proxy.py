"""Three hosts on PostgreSQL and Redis, behind the guide's proxy."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
from mcp import MCPError

from harness.host_group import Group, host_group
from harness.mcp_program import Tools, over_http
from harness.postgres import Server
from harness.redis_server import RedisServer

ERA = "2026-07-28"
WORKERS, RESTARTS = 4, 10
TRIES = 40
PAUSE_S = 0.1
LOOK_S = 0.02


@pytest.fixture
async def group(postgres_server: Server, tmp_path: Path) -> AsyncGenerator[Group]:
    """The three."""
    with RedisServer() as redis:
        values: dict[str, Any] = {
            "runtime": "bubblewrap",
            "store": "sql",
            "lock": "redis",
            "images": {"default": "host"},
            "state_dir": str(tmp_path / "state"),
            "cache_dir": str(tmp_path / "cache"),
            "lifetimes": {"hand_over": True},
            "startup": {"heartbeat_s": 0.5},
            "plugin": {"sql": {"url": postgres_server.database()}, "redis": {"url": redis.url}},
        }
        async with host_group(tmp_path, values) as running:
            yield running


async def test_requests_of_one_client_go_round_and_are_served_by_every_host(group: Group):
    async with over_http(group.url, ERA) as tools:
        await tools("spawn", alias="work", persistent=True)
        for number in range(6):
            await tools("fs_write", container="work", path=f"{number}", text=f"{number}\n")
        page = await tools.run("work", "sh", "-c", "cat 0 1 2 3 4 5")
        assert "".join(piece["text"] for piece in page["output"]) == "0\n1\n2\n3\n4\n5\n"
        await tools("kill", container="work")
    served = [await group.count(port, "devbench_tool_calls_total") for port in group.ports]
    assert min(served) >= 2, served
    assert sum(served) == 10


async def test_a_session_of_an_older_client_stays_with_its_host(group: Group):
    before = [await group.count(port, "devbench_tool_calls_total") for port in group.ports]
    async with over_http(group.url, "legacy") as tools:
        for _ in range(9):
            await tools("list_containers")
    after = [await group.count(port, "devbench_tool_calls_total") for port in group.ports]
    served = sorted(then - now for then, now in zip(after, before, strict=True))
    assert served == [0, 0, 9]


@attrs.define
class Worker:
    """A client that repeats what failed on the way, with the same key.

    Attributes:
        name: In the file that its commands write.
        done: How many commands ended well.
        repeated: How many calls were repeated.
    """

    url: str
    name: str
    stop: asyncio.Event
    done: int = 0
    repeated: int = 0

    async def work(self) -> None:
        """Run one command after the other until it is stopped."""
        while not self.stop.is_set():
            word = f"{self.name}-{self.done}"
            script = f"echo {word} >> told; sleep 0.05; echo done {word}"
            key = secrets.token_hex(8)
            page = await self._insistently(argv=["sh", "-c", script], key=key)
            assert page["exec"]["ending"]["exit_code"] == 0, page
            assert "".join(piece["text"] for piece in page["output"]) == f"done {word}\n"
            self.done += 1

    async def _insistently(self, *, argv: list[str], key: str) -> dict[str, Any]:
        failures: list[str] = []
        for _ in range(TRIES):
            try:
                async with over_http(self.url, ERA) as tools:
                    page = await self._ran(tools, argv, key)
                    if page is not None:
                        return page
            except* (MCPError, httpx2.HTTPError, OSError) as group:
                failures.append(repr(group.exceptions))
            self.repeated += 1
            await asyncio.sleep(PAUSE_S)
        raise AssertionError(f"{argv} did not go through: {failures}")

    async def _ran(self, tools: Tools, argv: list[str], key: str) -> dict[str, Any] | None:
        """Return the whole output, or None where the answer says to try again."""
        result = await tools.client.call_tool(
            "run", {"container": "busy", "argv": argv, "idempotency_key": key, "wait_s": 30}
        )
        found: dict[str, Any] = result.structured_content or {}
        if result.is_error:
            assert found["error"]["retry"], found
            return None
        return found if found["ended"] else None  # it runs still: the same key finds it


async def test_hosts_are_restarted_ten_times_under_load_and_no_call_is_lost(group: Group):
    async with over_http(group.url, ERA) as tools:
        container = (await tools("spawn", alias="busy"))["container"]["id"]
    stop = asyncio.Event()
    workers = [Worker(group.url, f"w{number}", stop) for number in range(WORKERS)]
    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.work())
        for number in range(RESTARTS):
            port = group.ports[number % len(group.ports)]
            assert await group.stop(port) == 0
            await group.start(port)
            await group.reached()
        stop.set()
    async with over_http(group.url, ERA) as tools:
        told = (await tools("fs_read", container="busy", path="told"))["text"].split()
        wanted = [f"{worker.name}-{number}" for worker in workers for number in range(worker.done)]
        assert sorted(told) == sorted(wanted)
        assert min(worker.done for worker in workers) > RESTARTS
        assert [each["id"] for each in (await tools("list_containers"))["containers"]] == [container]
        await tools("kill", container=container)
    print(f"{len(told)} commands, {sum(worker.repeated for worker in workers)} calls repeated")  # noqa: T201 - figures
