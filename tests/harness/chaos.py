"""Clients that keep book of what they were promised, faults, and who compares the two afterwards."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import httpx2
from mcp import MCPError

from harness.host_group import Group
from harness.mcp_program import Tools, over_http
from harness.postgres import Server
from harness.redis_server import RedisServer

ERA = "2026-07-28"
BUSY = "busy"
CALL_S, PAUSE_S, INSIST_S = 40.0, 0.1, 90.0
STALL_S, DOWN_S = 3.0, 1.0
Fault = Callable[["World"], Awaitable[None]]


@attrs.define(kw_only=True)
class World:
    """Hosts and what they stand on.

    Attributes:
        containers: The folder of the containers on the engine.
    """

    group: Group
    store: Server
    lock: RedisServer
    containers: Path
    chance: random.Random

    def somebody(self) -> int:
        """Return the port of a host, whether it lives or not."""
        return self.chance.choice(self.group.ports)


@attrs.define(kw_only=True)
class Book:
    """What clients did, and what they were told.

    Attributes:
        ran: Words of commands, with what their execs are, whose ending was told.
        written: Files whose writing was told.
        killed: Containers whose end was told.
        tried: Words that may have been written, whether that was told or not.
        history: Everything in order, for whoever looks for a cause.
    """

    ran: dict[str, str] = attrs.field(factory=dict[str, str])
    written: dict[str, str] = attrs.field(factory=dict[str, str])
    killed: list[str] = attrs.field(factory=list[str])
    tried: set[str] = attrs.field(factory=set[str])
    history: list[str] = attrs.field(factory=list[str])

    def note(self, text: str) -> None:
        """Write a line of the history."""
        self.history.append(f"{asyncio.get_running_loop().time():.3f} {text}")


class Client:
    """One that goes to any host, and repeats what failed on its way, with the same key, at another."""

    def __init__(self, world: World, book: Book) -> None:
        self._world = world
        self._book = book

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return a tool's result, or its error where trying again would not help."""
        failures: list[str] = []
        async with asyncio.timeout(INSIST_S):
            while True:
                port = self._world.somebody()
                try:
                    async with (
                        asyncio.timeout(CALL_S),
                        over_http(f"http://127.0.0.1:{port}/mcp", ERA) as tools,
                    ):
                        found = await self._once(tools, tool, arguments)
                        if found is not None:
                            return found
                except* (MCPError, httpx2.HTTPError, OSError, TimeoutError) as group:
                    failures.append(repr(group.exceptions))
                self._book.note(f"again {tool} {arguments} {failures[-1:]}")
                await asyncio.sleep(PAUSE_S)

    async def _once(self, tools: Tools, tool: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        result = await tools.client.call_tool(tool, arguments)
        found: dict[str, Any] = result.structured_content or {}
        if result.is_error and found["error"]["retry"]:
            return None
        return None if found.get("ended") is False else found


class Load:
    """One client's work."""

    def __init__(self, world: World, book: Book, name: str) -> None:
        self._client = Client(world, book)
        self._book = book
        self._chance = random.Random(f"{world.chance.random()}")  # noqa: S311 - repeated by its seed
        self._name = name

    async def work(self, operations: int) -> None:
        """Do so many operations."""
        for number in range(operations):
            word = f"{self._name}-{number}"
            step = self._chance.choices([self._run, self._write, self._live], [6, 3, 1])[0]
            self._book.note(f"{step.__name__} {word}")
            await step(word)
            self._book.note(f"done {word}")

    async def _run(self, word: str) -> None:
        self._book.tried.add(word)
        script = f"echo {word} >> told; sleep 0.02; echo done {word}"
        found = await self._client.call(
            "run", container=BUSY, argv=["sh", "-c", script], idempotency_key=word, wait_s=20
        )
        assert found["exec"]["ending"]["exit_code"] == 0, found
        assert _text(found["output"]) == f"done {word}\n", found
        self._book.ran[word] = found["exec"]["id"]

    async def _write(self, word: str) -> None:
        text = word * 20
        found = await self._client.call(
            "fs_write", container=BUSY, path=f"files/{word}", text=text, create_only=True, parents=True
        )
        if "error" in found:  # an earlier try had done it, and its answer was lost
            assert found["error"]["code"] == "file_exists", found
        self._book.written[word] = text

    async def _live(self, word: str) -> None:
        found = await self._client.call(
            "spawn", alias=word, persistent=True, idempotency_key=word, labels={"short": "yes"}
        )
        container = found["container"]["id"]
        killed = await self._client.call("kill", container=container)
        assert killed["container"]["ending"]["reason"] == "killed", killed
        self._book.killed.append(container)


async def check(world: World, book: Book) -> None:
    """Compare what was promised with what is there."""
    client = Client(world, book)
    by_id = await _all_containers(client)
    async with asyncio.timeout(INSIST_S):
        while any(by_id[each]["status"] != "gone" for each in book.killed):  # written behind, or by a leader
            assert all(by_id[each].get("ending") for each in book.killed), "an end was taken back"
            await asyncio.sleep(PAUSE_S)
            by_id = await _all_containers(client)
    living = sorted(each for each, seen in by_id.items() if not seen.get("ending"))
    assert [by_id[each]["alias"] for each in living] == [BUSY], "a container is left"
    told: Counter[str] = Counter(
        str((await client.call("fs_read", container=BUSY, path="told"))["text"]).split()
    )
    assert told.keys() <= book.tried
    assert set(told.values()) <= {1}, "something was done twice"
    assert set(book.ran) <= told.keys(), "an acknowledged command did nothing"
    for word, text in book.written.items():
        assert (await client.call("fs_read", container=BUSY, path=f"files/{word}"))["text"] == text
    for word, exec_id in book.ran.items():
        page = await client.call("exec_poll", exec_id=exec_id, until="end", wait_s=20)
        assert _text(page["output"]) == f"done {word}\n", (word, page)
        assert page["ending"]["exit_code"] == 0
    on_engine = sorted(path.name for path in world.containers.iterdir() if path.name.startswith("c_"))
    assert on_engine == living, "the engine has more, or less, than the records"


async def _all_containers(client: Client) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = await client.call("list_containers", include_ended=True, after=cursor)
        found |= {each["id"]: each for each in page["containers"]}
        cursor = page.get("cursor") or ""
        if not cursor:
            return found


def _text(pieces: list[dict[str, Any]]) -> str:
    return "".join(piece["text"] for piece in pieces)


async def kill_a_host(world: World) -> None:
    """As ``kill -9`` does; a new one takes its address a little later."""
    port = world.somebody()
    process = world.group.processes.pop(port)
    process.kill()
    await process.wait()
    await asyncio.sleep(DOWN_S)
    await world.group.start(port)


async def stall_a_host(world: World) -> None:
    """For longer than it takes to be succeeded."""
    process = world.group.processes[world.somebody()]
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(STALL_S)
    process.send_signal(signal.SIGCONT)


async def crash_the_store(world: World) -> None:
    """All its processes at once."""
    await asyncio.to_thread(world.store.stop, signal.SIGQUIT)
    await asyncio.sleep(DOWN_S)
    await asyncio.to_thread(world.store.start)


async def cut_the_store(world: World) -> None:
    """Every connection to it."""
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await asyncio.to_thread(world.store.psql, statement + " AND datname LIKE 't_%'")


async def lose_the_lock(world: World) -> None:
    """Its server comes back empty."""
    await asyncio.to_thread(world.lock.kill)
    await asyncio.sleep(DOWN_S)
    await asyncio.to_thread(world.lock.start)


FAULTS: dict[str, Fault] = {
    "a host is killed": kill_a_host,
    "a host stalls": stall_a_host,
    "the store crashes": crash_the_store,
    "connections to the store are cut": cut_the_store,
    "the lock loses its data": lose_the_lock,
}
