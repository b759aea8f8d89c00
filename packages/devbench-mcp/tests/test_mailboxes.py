"""A session that reads slowly delays nobody, and hears of each resource once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from mcp import MCPError

import devbench_core
from devbench_core.containers.requests import SpawnRequest
from devbench_core.errors import ExecNotFound
from devbench_core.model.caller import LOCAL
from devbench_core.model.execution import ExecRequest
from devbench_core.tasks import background
from devbench_mcp.resources.mailboxes import Follow, Mailbox
from devbench_mcp.resources.watches import Watches

TICKS = "while [ ! -e go ]; do echo tick; sleep 0.01; done"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def start(bench: devbench_core.Bench, script: str) -> str:
    spawned = await bench.containers.spawn(SpawnRequest())
    request = ExecRequest(argv=("sh", "-c", script))
    return (await bench.execs.start(spawned.container.id, request)).id


def into(told: list[str]) -> Callable[[str], Awaitable[None]]:
    async def send(uri: str) -> None:
        told.append(uri)

    return send


def following(watches: Watches, exec_id: str) -> Follow:
    return lambda ring: watches.follow(exec_id, LOCAL, ring)


async def test_a_session_that_takes_nothing_delays_no_other(bench: devbench_core.Bench):
    exec_id = await start(bench, TICKS)
    stuck, told = list[str](), list[str]()
    let_go = asyncio.Event()

    async def hang(uri: str) -> None:
        stuck.append(uri)
        await let_go.wait()

    async with background() as tasks:
        watches = Watches(bench, tasks, every_s=0.1)
        slow, quick = Mailbox(tasks, hang, most=9), Mailbox(tasks, into(told), most=9)
        for mailbox in (slow, quick):
            await mailbox.subscribe("a", following(watches, exec_id))
        await until(lambda: len(told) >= 5)
        assert stuck == ["a"]
        let_go.set()
        await until(lambda: len(stuck) >= 2)
        slow.close()
        assert watches.count == 1
        quick.close()
        assert watches.count == 0


async def test_the_last_update_comes_with_the_end_and_frees_the_place(bench: devbench_core.Bench):
    told = list[str]()
    async with background() as tasks:
        watches = Watches(bench, tasks, every_s=60)
        mailbox = Mailbox(tasks, into(told), most=1)
        first = await start(bench, "sleep 300")
        await mailbox.subscribe("a", following(watches, first))
        await mailbox.subscribe("a", following(watches, first))
        with pytest.raises(MCPError, match="subscriptions_max"):
            await mailbox.subscribe("b", following(watches, first))
        await bench.execs.cancel(first)
        await until(lambda: told == ["a"])
        assert watches.count == 0
        await mailbox.subscribe("b", following(watches, first))
        await until(lambda: told == ["a", "b"])
        with pytest.raises(ExecNotFound):
            await mailbox.subscribe("c", following(watches, "x_" + "0" * 20))
        mailbox.unsubscribe("never subscribed")
        await mailbox.subscribe("d", following(watches, await start(bench, "sleep 300")))
        mailbox.unsubscribe("d")
        assert watches.count == 0


async def test_a_command_that_is_forgotten_is_told_as_ended(bench: devbench_core.Bench):
    told = list[str]()
    async with background() as tasks:
        watches = Watches(bench, tasks, every_s=0.1)
        mailbox = Mailbox(tasks, into(told), most=1)
        exec_id = await start(bench, "sleep 300")
        await mailbox.subscribe("a", following(watches, exec_id))
        record = await bench.execs.get(exec_id)
        await bench.containers.kill(record.container_id)
        await bench.execs.forget(record.container_id)
        await until(lambda: watches.count == 0)
        await until(lambda: told == ["a"])
