"""Writers that wait for a command to read are told at once when nobody will, however the command went."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devbench_core.channel.faults import cut
from devbench_core.errors import InputUnavailable
from devbench_core.memory.store import MemoryStore
from devbench_core.model.container import ContainerEnding, EndReason
from devbench_core.model.execution import Exec, ExecRequest
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host, serving

MUCH = bytes(1 << 20)  # more than the host takes over from its caller
TOO_LONG_S = 20.0
WAIT_S = 3 * TOO_LONG_S


async def container_ended(host: Host, command: Exec) -> None:
    killed = ContainerEnding(reason=EndReason.KILLED, at=command.created_at, by="local")
    await host.execs.end_all(host.container, killed)


async def agent_gone(host: Host, command: Exec) -> None:
    await host.link.give_up(cut("it is gone"))


async def host_closed(host: Host, command: Exec) -> None:
    await host.execs.aclose()


Goes = Callable[[Host, Exec], Awaitable[None]]
ENDINGS: list[Goes] = [container_ended, agent_gone]  # which the agent did not tell


async def unread(host: Host) -> Exec:
    request = ExecRequest(argv=("sleep", "300"))
    return await host.execs.start(CONTAINER_ID, request, open_stdin=True)


@asynccontextmanager
async def waiting(call: Coroutine[Any, Any, object]) -> AsyncGenerator[asyncio.Task[object]]:
    """A call that has come as far as it can."""
    task = asyncio.create_task(call)
    for _ in range(200):
        await asyncio.sleep(0)
    assert not task.done()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("goes", ENDINGS)
async def test_who_waits_with_input_for_a_command_is_told_when_it_ends(host: Host, goes: Goes):
    command = await unread(host)
    async with waiting(host.execs.write_input(command.id, MUCH, wait_s=WAIT_S)) as writing:
        await goes(host, command)
        with pytest.raises(InputUnavailable) as raised:
            await asyncio.wait_for(writing, TOO_LONG_S)
    assert raised.value.details["reason"] == "ended"
    assert raised.value.details["accepted_bytes"] in range(1, len(MUCH))


@pytest.mark.parametrize("goes", [*ENDINGS, host_closed])
async def test_what_a_process_is_sent_is_discarded_when_it_ends_or_is_left(host: Host, goes: Goes):
    command = await unread(host)
    process = await host.execs.process(command.id)
    async with waiting(process.write(MUCH)) as writing:
        await goes(host, command)
        await asyncio.wait_for(writing, TOO_LONG_S)


async def test_who_waits_with_input_is_told_when_another_host_follows_the_command(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
    ):
        command = await unread(first)
        async with waiting(first.execs.write_input(command.id, MUCH, wait_s=WAIT_S)) as writing:
            second.dead.add("i_first")
            await second.execs.poll(command.id)
            with pytest.raises(InputUnavailable) as raised:
                await asyncio.wait_for(writing, TOO_LONG_S)
    assert raised.value.details["reason"] == "elsewhere"
    assert raised.value.details["accepted_bytes"] in range(1, len(MUCH))


async def test_input_that_went_through_another_host_is_not_given_again_where_the_command_went(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_third") as third,
        serving(first),
    ):
        command = await unread(first)
        async with waiting(third.execs.write_input(command.id, MUCH, wait_s=WAIT_S)) as writing:
            await eventually(lambda: [r.operation for r in first.requests].count("exec.input") == 1)
            second.dead.add("i_first")
            await second.execs.poll(command.id)
            with pytest.raises(InputUnavailable) as raised:
                await asyncio.wait_for(writing, TOO_LONG_S)
    assert raised.value.details["reason"] == "elsewhere"
    assert raised.value.details["accepted_bytes"] in range(1, len(MUCH))


async def test_a_command_that_ended_for_this_host_is_resumed_without_its_input(host: Host):
    command = await unread(host)
    await (await host.execs.process(command.id)).write(MUCH[:200_000])
    await container_ended(host, command)
    before = await host.link.channel()
    before.close()  # the link still has its stream: the agent did not say that it ended
    await before.wait_closed()
    channel = await host.link.channel()
    await channel.list_execs()  # answered after the resumption
    assert channel is not before
    assert channel.is_open
