"""A host that dies, or falls silent, is succeeded by another that nobody has to ask."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

import devbench_core
from devbench_core.model.execution import ExecReason, StreamName
from harness.standing_host import standing_host

HEARTBEAT_S, DEAD_AFTER_S = 0.4, 0.8
DEADLINE_S = 20.0
LOOK_S = 0.02
COUNT = "i=0; while [ ! -e enough ]; do i=$((i+1)); echo $i; sleep 0.01; done; echo $i > last"


@pytest.fixture
def hosts_config(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of hosts whose hearts beat fast."""
    return {**config, "startup": {"heartbeat_s": HEARTBEAT_S, "dead_after_s": DEAD_AFTER_S}}


@pytest.fixture
async def watcher(hosts_config: dict[str, Any]) -> AsyncGenerator[devbench_core.Bench]:
    """The host that succeeds; it is asked nothing until it has."""
    async with devbench_core.open(hosts_config) as opened:
        yield opened


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(LOOK_S)


def owner_in_the_store(bench: devbench_core.Bench, kind: str, key: str) -> Callable[[], Awaitable[str]]:
    """Return a function that looks into the store only: asking a host would have it take over."""

    async def owner() -> str:
        record = await bench.store.get(kind, key)
        assert record is not None
        return str(record.data["instance"])

    return owner


async def follows(bench: devbench_core.Bench, exec_id: str) -> bool:
    """Tell whether a host has become the one that follows a command."""
    return await owner_in_the_store(bench, "exec", exec_id)() == bench.instance


async def check_all_of_it(bench: devbench_core.Bench, container: str, exec_id: str) -> None:
    """End the command that counts, and see every number once."""
    await bench.files.write(container, "enough", b"")
    ended = await bench.execs.wait(exec_id, wait_s=DEADLINE_S)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0), ended.ending
    process = await bench.execs.process(exec_id)
    chunks = [chunk async for chunk in process.output() if chunk.stream is StreamName.STDOUT]
    said = b"".join(chunk.data for chunk in chunks).split()
    last = int((await bench.files.read(container, "last")).data)
    assert said == [b"%d" % number for number in range(1, last + 1)]


async def test_a_killed_host_is_succeeded_without_a_call_and_no_byte_is_lost(
    hosts_config: dict[str, Any], watcher: devbench_core.Bench
):
    async with standing_host(hosts_config) as host:
        container = await host("spawn", "left")
        exec_id = await host("start", container, "sh", "-c", COUNT)
        assert (await host("poll", exec_id, 0, 10))[0]
        host.send(signal.SIGKILL)
        await host.process.wait()
    loop = asyncio.get_running_loop()
    died_s = loop.time()
    await until(lambda: follows(watcher, exec_id))
    assert await owner_in_the_store(watcher, "container", container)() == watcher.instance
    print(f"taken over after {loop.time() - died_s:.2f} s")  # noqa: T201 - a figure for whoever asks for it
    await check_all_of_it(watcher, container, exec_id)
    await watcher.containers.kill(container)


async def test_a_stalled_host_is_succeeded_and_stays_out_of_it_when_it_goes_on(
    hosts_config: dict[str, Any], watcher: devbench_core.Bench
):
    async with standing_host(hosts_config) as host:
        container = await host("spawn", "stalled")
        exec_id = await host("start", container, "sh", "-c", COUNT)
        _, cursor, _ = await host("poll", exec_id, 0, 10)
        host.send(signal.SIGSTOP)
        await until(lambda: follows(watcher, exec_id))
        page = await watcher.execs.poll(exec_id, after=cursor, wait_s=10)
        assert page.chunks
        host.send(signal.SIGCONT)
        # it answers as before, with what its successor wrote
        text, later, ending = await host("poll", exec_id, page.cursor, 10)
        assert (later > page.cursor, bool(text), ending) == (True, True, None)
        assert await follows(watcher, exec_id)
        await check_all_of_it(watcher, container, exec_id)
        assert (await host("poll", exec_id, later, 10))[2] in (0, None)
    assert await owner_in_the_store(watcher, "container", container)() == watcher.instance
    await watcher.containers.kill(container)


async def test_what_only_a_living_host_follows_is_left_to_it(hosts_config: dict[str, Any]):
    slowly = {
        **hosts_config,
        "startup": {"heartbeat_s": HEARTBEAT_S},
    }  # processes that end are noticed all the same
    async with devbench_core.open(slowly) as watcher, standing_host(slowly) as host:
        container = await host("spawn", "kept")
        exec_id = await host("start", container, "sh", "-c", COUNT)
        async with standing_host(slowly) as other:
            await other("spawn", "another")
            other.send(signal.SIGKILL)
            await other.process.wait()
            found = await watcher.containers.get("another")
            owner = owner_in_the_store(watcher, "container", found.id)
            await until(lambda: same(owner, watcher.instance, host.instance))
        assert await owner_in_the_store(watcher, "container", container)() == host.instance
        assert await owner_in_the_store(watcher, "exec", exec_id)() == host.instance
        await watcher.execs.cancel(exec_id)
        for each in (container, found.id):
            await watcher.containers.kill(each)


async def same(owner: Callable[[], Awaitable[str]], *ids: str) -> bool:
    """Tell whether the owner is one of these."""
    return await owner() in ids


async def test_a_host_that_shuts_down_hands_over_what_it_was_responsible_for(hosts_config: dict[str, Any]):
    config = {**hosts_config, "lifetimes": {"hand_over": True}}
    async with devbench_core.open(config) as heir:
        async with standing_host(config) as host:
            container = await host("spawn", "handed", False)
            exec_id = await host("start", container, "sh", "-c", COUNT)
            assert (await host("poll", exec_id, 0, 10))[0]
        assert host.process.returncode == 0
        await until(lambda: follows(heir, exec_id))
        await check_all_of_it(heir, container, exec_id)
        assert (await heir.containers.get(container)).instance == heir.instance
    async with devbench_core.open(config) as last:  # nobody was there to hand it over to
        ending = (await last.containers.get(container)).ending
        assert ending is not None
        assert ending.message == "its host shut down and it is not persistent"
