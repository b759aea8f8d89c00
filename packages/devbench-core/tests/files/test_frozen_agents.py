"""Streams into a container whose agent stops before it has said that it has all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from devbench_core.errors import TimedOut
from devbench_core.files.settings import FileLimits
from devbench_core.testing.kit.hostile_archives import member, tar
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import LocalAgent, frozen, open_host

BOUND_S = 1.0
TOO_LONG_S = 20.0


async def all_then_freeze(data: bytes, agent: LocalAgent, until: ExitStack) -> AsyncIterator[bytes]:
    """Content, at the end of which an agent is stopped until a block is left."""
    yield data
    until.enter_context(frozen(agent))


async def test_an_upload_whose_end_a_frozen_agent_does_not_confirm_fails_in_time_as_unknown(
    local_agent: LocalAgent,
):
    limits = FileLimits(operation_timeout_s=BOUND_S)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        with ExitStack() as until:
            writing = host.files.write_stream(C, "f", all_then_freeze(b"x", local_agent, until))
            with pytest.raises(TimedOut, match="not known") as caught:
                await asyncio.wait_for(writing, TOO_LONG_S)
        assert caught.value.details == {"limit": BOUND_S, "setting": "files.operation_timeout_s"}
        await host.files.stat(C, ".")  # the agent goes on, and so does the channel


async def test_an_import_whose_end_a_frozen_agent_does_not_confirm_fails_in_time_as_unknown(
    local_agent: LocalAgent,
):
    limits = FileLimits(operation_timeout_s=BOUND_S)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        with ExitStack() as until:
            archive = all_then_freeze(tar(member("f", b"x")), local_agent, until)
            importing = host.files.import_archive(C, ".", archive, format="tar")
            with pytest.raises(TimedOut, match="not known") as caught:
                await asyncio.wait_for(importing, TOO_LONG_S)
        assert caught.value.details == {"limit": BOUND_S, "setting": "files.operation_timeout_s"}
        await host.files.stat(C, ".")
