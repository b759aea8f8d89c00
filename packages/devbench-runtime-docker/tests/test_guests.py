"""Agents of other users, as this runtime starts and reaches them."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.errors import (
    AgentGone,
    AgentSilent,
    AgentUnavailable,
    ContainerNotFound,
    Unauthorised,
    ValidationFailed,
)
from devbench_core.model.policy import Policy
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.runtime import DockerRuntime

Requests = Callable[..., Awaitable[CreateRequest]]
OTHER = "4242:4343"
DEADLINE_S = 20.0
FORGOTTEN = "0" * 64
"""An exec that the engine does not know."""


@pytest.fixture
async def ref(runtime: DockerRuntime, wanted: Requests) -> AsyncGenerator[str]:
    made = await runtime.create(await wanted(policy=Policy(exec_users=(OTHER,))))
    await runtime.start(made)
    yield made
    await runtime.remove(made)


async def running(engine: Engine, handle: str) -> bool:
    return bool((await engine.call("GET", f"exec/{handle}/json", doing="look"))["Running"])


async def number(engine: Engine, handle: str) -> int:
    """Return an agent's number as it sees it itself."""
    deadline = time.monotonic() + DEADLINE_S
    while not (shown := await engine.call("GET", f"exec/{handle}/json", doing="look"))["Pid"]:
        assert time.monotonic() < deadline, "the engine does not learn its number"
        await asyncio.sleep(0.02)
    status = Path(f"/proc/{shown['Pid']}/status").read_text(encoding="utf-8")  # noqa: ASYNC240 - the kernel's
    return int(status.partition("NSpid:")[2].split("\n")[0].split()[-1])


def bridges_of(agent: int) -> list[int]:
    """Return the bridges in an agent's PID namespace."""
    space = Path(f"/proc/{agent}/ns/pid").readlink()
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            here = (folder / "ns/pid").readlink() == space
            if here and b"connect" in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


async def until_ended(engine: Engine, handle: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while await running(engine, handle):
        assert time.monotonic() < deadline, "it lives on"
        await asyncio.sleep(0.02)


async def test_it_lives_on_without_the_stream_it_was_claimed_on_and_is_reached_again(
    runtime: DockerRuntime, engine: Engine, ref: str
):
    token = secrets.token_bytes(32)
    guest = await runtime.start_guest(ref, OTHER)
    async with AgentChannel.open(guest.stream, token=token, claim=True, instance="i_test") as channel:
        agent = channel.agent
        assert (agent.uid, agent.gid) == (4242, 4343)
        assert agent.pid != 1
    for _ in range(2):
        stream = await runtime.connect_guest(ref, OTHER, guest.handle, agent.pid)
        async with AgentChannel.open(stream, token=token, claim=False, instance="i_test") as channel:
            assert channel.agent.boot_id == agent.boot_id
    assert await running(engine, guest.handle)


async def test_one_that_nobody_claimed_ends_with_whoever_started_it(
    runtime: DockerRuntime, engine: Engine, ref: str
):
    guest = await runtime.start_guest(ref, OTHER)
    await guest.stream.close()
    await until_ended(engine, guest.handle)
    with pytest.raises(AgentGone, match="4242:4343"):
        await runtime.connect_guest(ref, OTHER, guest.handle, 7)


async def test_it_cannot_be_claimed_over_its_socket(runtime: DockerRuntime, engine: Engine, ref: str):
    """There, somebody else could be first."""
    guest = await runtime.start_guest(ref, OTHER)
    stream = await runtime.connect_guest(ref, OTHER, guest.handle, await number(engine, guest.handle))
    with pytest.raises(Unauthorised, match="claimed by whoever started it"):
        async with AgentChannel.open(stream, token=bytes(32), claim=True, instance="i_test"):
            pytest.fail("it was claimed")
    token = secrets.token_bytes(32)
    async with AgentChannel.open(guest.stream, token=token, claim=True, instance="i_test"):
        pass


async def test_the_next_start_ends_what_an_earlier_one_left(runtime: DockerRuntime, engine: Engine, ref: str):
    first, second = [await runtime.start_guest(ref, OTHER) for _ in range(2)]
    await until_ended(engine, first.handle)
    assert await running(engine, second.handle)
    await second.stream.close()


async def test_one_that_was_stopped_is_silent_and_not_gone(runtime: DockerRuntime, engine: Engine, ref: str):
    token = secrets.token_bytes(32)
    guest = await runtime.start_guest(ref, OTHER)
    async with AgentChannel.open(guest.stream, token=token, claim=True, instance="i_test") as channel:
        pid = channel.agent.pid
    await number(engine, guest.handle)
    shown = await engine.call("GET", f"exec/{guest.handle}/json", doing="look")
    os.kill(shown["Pid"], signal.SIGSTOP)
    impatient = ChannelLimits(connect_timeout_s=0.5)
    stream = await runtime.connect_guest(ref, OTHER, guest.handle, pid)
    with pytest.raises(AgentSilent, match="did not answer the handshake"):
        async with AgentChannel.open(stream, token=token, claim=False, instance="i_test", limits=impatient):
            pytest.fail("it answered")


@pytest.mark.parametrize("user", ["", "4242:7"])
async def test_the_containers_own_number_is_refused_before_anything_is_made(
    runtime: DockerRuntime, wanted: Requests, user: str
):
    policy = Policy(user=user, exec_users=("1000:5",) if not user else (OTHER,))
    with pytest.raises(ValidationFailed, match="exec_users: names the uid of the container's own user"):
        await runtime.create(await wanted(policy=policy))


async def test_no_agent_is_started_in_a_container_that_is_gone(runtime: DockerRuntime, wanted: Requests):
    made = await runtime.create(await wanted(policy=Policy(exec_users=(OTHER,))))
    await runtime.remove(made)
    with pytest.raises(ContainerNotFound):
        await runtime.start_guest(made, OTHER)


async def test_a_bridge_that_is_killed_does_not_tell_that_the_agent_is_gone(
    runtime: DockerRuntime, engine: Engine, ref: str
):
    """Where the engine forgot its execs, only a bridge that found nobody tells that."""
    token = secrets.token_bytes(32)
    guest = await runtime.start_guest(ref, OTHER)
    async with AgentChannel.open(guest.stream, token=token, claim=True, instance="i_test") as channel:
        pid = channel.agent.pid
    with pytest.raises(AgentGone, match="nobody listens"):
        await runtime.connect_guest(ref, OTHER, FORGOTTEN, pid + 1000)
    await number(engine, guest.handle)
    shown = await engine.call("GET", f"exec/{guest.handle}/json", doing="look")
    os.kill(shown["Pid"], signal.SIGSTOP)
    dialling = asyncio.create_task(runtime.connect_guest(ref, OTHER, FORGOTTEN, pid))
    deadline = time.monotonic() + DEADLINE_S
    while not (bridges := bridges_of(shown["Pid"])):
        assert time.monotonic() < deadline, "no bridge is started"
        await asyncio.sleep(0.02)
    for bridge in bridges:
        os.kill(bridge, signal.SIGKILL)
    with pytest.raises(AgentUnavailable, match="does not answer") as caught:
        await dialling
    assert not isinstance(caught.value, AgentGone)
