"""What a runtime promises of its further powers."""

from __future__ import annotations

import asyncio
import os
import secrets

import attrs
import pytest

from devbench_core.channel.channel import AgentChannel
from devbench_core.contracts.powers import (
    SupportsCommit,
    SupportsPause,
    SupportsPull,
    SupportsStats,
    SupportsUsers,
)
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ContainerNotFound, ImagePullFailed
from devbench_core.model.policy import Clause, Policy
from devbench_core.testing.inside import begin, run
from devbench_core.testing.kit.claims import needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.runtime_opening import GetImage, WithRuntime
from devbench_core.testing.living import Live, Requests

FROZEN_S = 0.5
THAWED_S = 30
GUEST = "4711:4712"
NOWHERE = "registry.invalid/devbench-kit/never-was:latest"
"""No name ends in ``.invalid`` (RFC 2606)."""


async def absent_ref(runtime: Runtime, wanted: Requests) -> str:
    ref = await runtime.create(await wanted())
    await runtime.remove(ref)
    return ref


@in_time
@pytest.mark.asyncio
class RuntimePowersContract(WithRuntime):
    """What a runtime promises of what not every runtime can do."""

    @needs(SupportsStats)
    @stated_by(SupportsStats.stats)
    async def test_a_running_container_uses_something(self, runtime: Runtime, wanted: Requests, live: Live):
        assert isinstance(runtime, SupportsStats)
        async with live(await wanted()) as container:
            used = await runtime.stats(container.ref)
        assert used.memory_bytes is None or used.memory_bytes > 0
        assert used.cpu_s is None or used.cpu_s >= 0
        assert used.pids is None or used.pids > 0

    @needs(SupportsStats)
    @stated_by(SupportsStats.stats)
    async def test_what_is_not_there_uses_nothing_but_is_not_found(self, runtime: Runtime, wanted: Requests):
        assert isinstance(runtime, SupportsStats)
        with pytest.raises(ContainerNotFound):
            await runtime.stats(await absent_ref(runtime, wanted))

    @needs(SupportsPause)
    @stated_by(SupportsPause.pause, SupportsPause.unpause)
    async def test_a_frozen_container_goes_on_once_it_is_thawed(
        self, runtime: Runtime, wanted: Requests, live: Live
    ):
        assert isinstance(runtime, SupportsPause)
        async with live(await wanted()) as container:
            await runtime.unpause(container.ref)
            await runtime.pause(container.ref)
            await runtime.pause(container.ref)
            sink = begin(container.channel, "/bin/echo", "thawed")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(FROZEN_S):
                    await asyncio.shield(sink.ending)
            await runtime.unpause(container.ref)
            await runtime.unpause(container.ref)
            async with asyncio.timeout(THAWED_S):
                await sink.ending
            assert bytes(sink.data) == b"thawed\n"

    @needs(SupportsPull)
    @stated_by(SupportsPull.pull)
    async def test_an_image_of_no_registry_cannot_be_pulled(self, runtime: Runtime):
        assert isinstance(runtime, SupportsPull)
        with pytest.raises(ImagePullFailed):
            async for _ in runtime.pull(NOWHERE, None):
                pass

    @needs(SupportsCommit)
    @stated_by(SupportsCommit.commit)
    async def test_what_changed_in_the_root_is_in_the_image_that_is_made(
        self, runtime: Runtime, wanted: Requests, live: Live, policy: Policy
    ):
        """Images cannot be removed through a runtime, so each run leaves this one, of one name."""
        assert isinstance(runtime, SupportsCommit)
        open_root = attrs.evolve(policy, read_only_root=False, user="0:0")  # most roots are root's to write
        async with live(await wanted(policy=open_root)) as container:
            words = "umask 0; echo image > /note && echo workspace > /workspace/note && echo wrote"
            assert await container.shell(words) == "wrote\n"
            made = await runtime.commit(container.ref, "devbench-kit/committed:latest")
        assert (await runtime.resolve_image(made.name)).id == made.id
        again: GetImage = lambda opened: opened.resolve_image(made.name)  # noqa: E731 - its type is the point
        async with live(await wanted(again)) as container:
            assert await container.shell("cat /note; ls /workspace") == "image\n"

    @needs(SupportsCommit)
    @stated_by(SupportsCommit.commit)
    async def test_no_image_is_made_of_what_is_not_there(self, runtime: Runtime, wanted: Requests):
        assert isinstance(runtime, SupportsCommit)
        with pytest.raises(ContainerNotFound):
            await runtime.commit(await absent_ref(runtime, wanted), "devbench-kit/never-was:latest")

    @needs(SupportsUsers, Clause.EXEC_USERS)
    @stated_by(SupportsUsers.start_guest, SupportsUsers.connect_guest)
    async def test_an_agent_of_another_user_runs_and_is_reached_again(
        self, runtime: Runtime, wanted: Requests, live: Live, policy: Policy
    ):
        assert isinstance(runtime, SupportsUsers)
        token = os.urandom(32)
        async with live(await wanted(policy=attrs.evolve(policy, exec_users=(GUEST,)))) as container:
            started = await runtime.start_guest(container.ref, GUEST)
            async with AgentChannel.open(
                started.stream, token=token, claim=True, instance="h_kit"
            ) as channel:
                agent = channel.agent
                assert f"{agent.uid}:{agent.gid}" == GUEST
                assert (await run(channel, "/bin/sh", "-c", "id -u")).text == f"{agent.uid}\n"
            again = await runtime.connect_guest(container.ref, GUEST, started.handle, agent.pid)
            async with AgentChannel.open(again, token=token, claim=False, instance="h_kit") as channel:
                assert channel.agent.boot_id == agent.boot_id
                assert (await run(channel, "/bin/echo", "again")).text == "again\n"

    @needs(SupportsUsers)
    @stated_by(SupportsUsers.start_guest, SupportsUsers.connect_guest)
    async def test_no_agent_of_another_user_is_in_what_is_not_there(self, runtime: Runtime, wanted: Requests):
        assert isinstance(runtime, SupportsUsers)
        ref = await absent_ref(runtime, wanted)
        with pytest.raises(ContainerNotFound):
            await runtime.start_guest(ref, GUEST)
        with pytest.raises(ContainerNotFound):
            await runtime.connect_guest(ref, GUEST, secrets.token_hex(4), 2)
