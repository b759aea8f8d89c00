"""Reading a shell's output until something, where the end of a run takes its time to be written down."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.contracts.store import Change, Put, Record
from devbench_core.errors import ValidationFailed
from devbench_core.memory.store import MemoryStore
from devbench_core.model.shell import ReadStop
from devbench_core.shells import records
from harness.agent_host import CONTAINER_ID, LocalAgent, open_host

from .conftest import QUICK, User


class StoreOfEnds(MemoryStore):
    """A store that takes the end of a run as late as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = asyncio.Event()
        self.takes.set()
        self.is_asked = asyncio.Event()

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Write, ends as told."""
        if any(
            isinstance(each, Put) and each.kind == records.KIND and not each.data["secret"]
            for each in changes
        ):
            self.is_asked.set()
            await self.takes.wait()
        return await super().apply(*changes)


async def test_the_end_of_a_run_is_told_also_to_who_read_all_output_before_it_was_written_down(
    local_agent: LocalAgent,
):
    store = StoreOfEnds()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        shells, user = host.shells, User(host=host, shell=await host.shells.open(CONTAINER_ID))
        store.is_asked.clear()
        store.takes.clear()
        run = await shells.run(user.shell.id, "echo out")
        await store.is_asked.wait()  # so the shell has reported, and that can be read
        first = await shells.read(user.shell.id, after=run.after, until=["out\n"])
        assert first.stop is ReadStop.TEXT
        again = await shells.read(user.shell.id, after=first.cursor, wait_s=0.1)
        assert (again.chunks, again.stop) == ((), ReadStop.TIME)
        reading = asyncio.create_task(shells.read(user.shell.id, after=again.cursor, wait_s=60))
        store.takes.set()
        async with asyncio.timeout(10):
            last = await reading
        assert (last.chunks, last.stop, last.run and last.run.number) == ((), ReadStop.RUN_ENDED, 1)


async def test_a_bound_that_is_none_is_refused(user: User):
    with pytest.raises(ValidationFailed, match="quiet_s"):
        await user.host.shells.read(user.shell.id, quiet_s=-1.0)
    with pytest.raises(ValidationFailed, match="max_bytes"):
        await user.host.shells.read(user.shell.id, max_bytes=0)
