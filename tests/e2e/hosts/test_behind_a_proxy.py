"""Three hosts on PostgreSQL and Redis, behind the guide's proxy."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
from mcp import MCPError

from devbench_cli.backends.connecting import open_remote
from devbench_cli.backends.protocol import Backend
from devbench_cli.following import follow_output
from devbench_core.tools.pieces import OutputPiece
from harness.host_group import Group, host_group
from harness.mcp_program import Tools, over_http
from harness.postgres import Server
from harness.redis_server import RedisServer

ERA = "2026-07-28"
WORKERS, RESTARTS = 2, 10
TRIES = 40
PAUSE_S = 0.1
LOOK_S = 0.02
COUNT = "i=0; while [ ! -e enough ]; do i=$((i+1)); echo $i; sleep 0.02; done"
LINES, PARTS = 8000, 190
WAIT = "until [ -e enough ]; do sleep 0.02; done"  # however far behind its reader is, it does not end before
PART = f"seq $((i*{LINES})) $((i*{LINES}+{LINES - 1})); i=$((i+1)); sleep 0.02"
LOUD = f"i=0; while [ $i -lt {PARTS} ]; do {PART}; [ $i -lt {PARTS - 20} ] || {WAIT}; done"
MIB = 1024 * 1024
DEADLINE_S = 60.0
pytestmark = pytest.mark.loop_may_stall("our client is imported here")


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
            "execs": {"concurrent_per_container": 16},
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


@attrs.define
class Follower:
    """Our own client, which repeats by itself, and stays connected all the time.

    Attributes:
        name: In the file that its commands write.
        done: How many commands ended well.
        repeated: How many calls it repeated.
    """

    url: str
    name: str
    stop: asyncio.Event
    done: int = 0
    repeated: int = 0
    said: bytearray = attrs.field(factory=bytearray)

    def again(self) -> None:
        """Count a repeat."""
        self.repeated += 1

    async def take(self, piece: OutputPiece) -> None:
        """Take a piece of output."""
        assert not piece.lost_bytes
        self.said += piece.to_bytes()

    async def run(self, backend: Backend, script: str) -> bytes:
        """Run a command to its good end, and return all that it said."""
        started = await backend.call("exec_start", {"container": "busy", "argv": ["sh", "-c", script]})
        assert not started["replayed"]
        self.said.clear()
        ending = await follow_output(backend, started["exec"]["id"], self.take)
        assert ending.exit_code == 0, ending
        return bytes(self.said)

    async def work(self) -> None:
        """Run one command after the other until it is stopped, and write and read a file between them."""
        async with open_remote(self.url, None, on_repeat=self.again) as backend:
            while not self.stop.is_set():
                word = f"{self.name}-{self.done}"
                said = await self.run(backend, f"echo {word} >> told; sleep 0.05; echo done {word}")
                assert said == f"done {word}\n".encode()
                place = {"container": "busy", "path": self.name}
                await backend.call("fs_write", {**place, "text": word})
                assert (await backend.call("fs_read", place))["text"] == word
                self.done += 1

    async def watch(self) -> None:
        """Follow one command all the time, and let it end when it is stopped."""
        async with open_remote(self.url, None, on_repeat=self.again) as backend, asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self.run(backend, COUNT))
            await self.stop.wait()
            await backend.call("fs_write", {"container": "busy", "path": "enough", "text": ""})
        numbers = following.result().split()
        assert numbers == [b"%d" % number for number in range(1, len(numbers) + 1)]
        assert len(numbers) > RESTARTS


@pytest.mark.timeout(300)
async def test_hosts_are_restarted_ten_times_under_load_and_no_call_is_lost(group: Group):
    async with over_http(group.url, ERA) as tools:
        container = (await tools("spawn", alias="busy"))["container"]["id"]
    stop = asyncio.Event()
    workers = [Worker(group.url, f"w{number}", stop) for number in range(WORKERS)]
    followers = [Follower(group.url, f"f{number}", stop) for number in range(WORKERS)]
    watcher = Follower(group.url, "watcher", stop)
    async with asyncio.TaskGroup() as tasks:
        for worker in (*workers, *followers):
            tasks.create_task(worker.work())
        tasks.create_task(watcher.watch())
        for number in range(RESTARTS):
            port = group.ports[number % len(group.ports)]
            assert await group.stop(port) == 0
            await group.start(port)
            await group.reached()
        stop.set()
    everybody = [*workers, *followers]
    async with over_http(group.url, ERA) as tools:
        told = (await tools("fs_read", container="busy", path="told"))["text"].split()
        wanted = [f"{worker.name}-{number}" for worker in everybody for number in range(worker.done)]
        assert sorted(told) == sorted(wanted)
        assert min(worker.done for worker in everybody) > RESTARTS
        assert [each["id"] for each in (await tools("list_containers"))["containers"]] == [container]
        await tools("kill", container=container)
    repeated = [worker.repeated for worker in (*everybody, watcher)]
    print(f"{len(told)} commands, calls repeated by each client: {repeated}")  # noqa: T201 - figures


async def follower_of(group: Group) -> int:
    """Return the port of the host that follows a command."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            for port in group.processes:
                if await group.count(port, "devbench_execs_running"):
                    return port
            await asyncio.sleep(LOOK_S)


async def test_hosts_killed_in_mid_output_lose_and_repeat_no_byte_of_devbench_exec(group: Group):
    environment = {**os.environ, "DEVBENCH_URL": group.url}
    async with open_remote(group.url, None) as backend:
        await backend.call("spawn", {"alias": "loud", "persistent": True})
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("devbench")), "exec", "-n", "loud", "sh", "-c", LOUD),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        said = b""
        for _ in range(2):
            said += await process.stdout.readexactly(2 * MIB)
            host = group.processes.pop(await follower_of(group))
            host.kill()
            await host.wait()
        await backend.call("fs_write", {"container": "loud", "path": "enough", "text": ""})
        said += await process.stdout.read()
        noted = (await process.stderr.read()).decode()
        assert await process.wait() == 0, noted
        assert said == "".join(f"{number}\n" for number in range(LINES * PARTS)).encode()
        assert len(said) > 10 * MIB
        assert noted in ("", f"devbench: {group.url} is lost; connecting again\n")
        await backend.call("kill", {"container": "loud"})
