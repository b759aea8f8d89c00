"""Runs whose caller went away, or whose store failed, while they were recorded."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from devbench_core.contracts.store import Change, Put, Record
from devbench_core.errors import Conflict, StoreFailed
from devbench_core.memory.store import MemoryStore
from devbench_core.model.shell import RunReason, ShellState
from devbench_core.shells import records
from harness.agent_host import CONTAINER_ID, LocalAgent, open_host

from .conftest import QUICK, User


class StoreOfRuns(MemoryStore):
    """A store that, once it has a run that begins, holds its answer back or says that it failed."""

    def __init__(self) -> None:
        super().__init__()
        self.has_it = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self.failing = False
        self.broken = False
        self.down: Exception | None = None
        self.was_down = asyncio.Event()

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record."""
        if self.down and kind == records.KIND:
            self.was_down.set()
            raise self.down
        return await super().get(kind, key)

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Write, and answer as told."""
        saved = await super().apply(*changes)
        if not any(
            isinstance(each, Put) and each.kind == records.KIND and each.data["secret"] for each in changes
        ):
            return saved
        self.has_it.set()
        await self.answers.wait()
        if self.failing:
            self.failing = False
            raise (
                RuntimeError("a fault of the plugin")
                if self.broken
                else StoreFailed("the answer did not come")
            )
        return saved


async def test_a_caller_that_goes_away_while_its_run_is_recorded_ends_that_run_and_the_shell_is_kept(
    local_agent: LocalAgent,
):
    store = StoreOfRuns()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        store.has_it.clear()
        store.answers.clear()
        calling = asyncio.create_task(host.shells.run(user.shell.id, "sleep 300"))
        await store.has_it.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        store.answers.set()
        async with asyncio.timeout(10):
            while (await user.again()).runs[-1].number != 1:
                await asyncio.sleep(0.005)
        ran = await user.rest((await user.again()).runs[-1])
        assert (ran.run.reason, ran.run.shell_kept) == (RunReason.CANCELLED, True)
        assert (await user.run("echo on")).out == b"on\n"


async def test_a_caller_that_goes_away_while_it_is_refused_does_not_end_the_run_of_another(
    local_agent: LocalAgent,
):
    async with open_host(local_agent.connect, local_agent.token, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        begun = await host.shells.run(user.shell.id, "read -r x; echo got $x", interactive=True)
        for turns in range(
            30
        ):  # of the loop, until it goes away: it is told that the shell is busy in one of them
            calling = asyncio.create_task(host.shells.run(user.shell.id, "echo never"))
            for _ in range(turns):
                await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait([calling])
        await host.shells.input(user.shell.id, b"it\n")
        ran = await user.rest(begun)
        assert (ran.out, ran.run.reason) == (b"got it\n", RunReason.EXITED)


@pytest.mark.parametrize("down", [None, StoreFailed("it does not answer")])
async def test_a_run_that_was_recorded_and_not_sent_since_the_store_failed_is_lost_and_the_shell_is_kept(
    local_agent: LocalAgent, *, down: Exception | None
):
    store = StoreOfRuns()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        await user.run("kept=yes")
        store.failing, store.down = True, down
        with pytest.raises(StoreFailed):
            await host.shells.run(user.shell.id, "touch begun")
        store.down = None
        ran = await user.run("echo $kept; ls")
        assert (ran.out, ran.run.number) == (b"yes\n", 3)
        lost = (await user.again()).runs[-2]
        assert (lost.number, lost.reason, lost.shell_kept) == (2, RunReason.LOST, True)
        assert lost.ended_at is not None
        assert (await user.again()).state is ShellState.IDLE


async def test_a_record_that_another_host_changed_is_read_again(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        shell = await user.again()
        await records.save(store, attrs.evolve(shell, cwd="/elsewhere"))
        with pytest.raises(Conflict):
            await user.run("echo first")
        assert (await user.run("echo second")).out == b"second\n"


async def test_a_fault_of_the_store_refuses_a_run_and_ends_neither_the_shell_nor_the_host(
    local_agent: LocalAgent,
):
    store = StoreOfRuns()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        store.failing = store.broken = True
        with pytest.raises(StoreFailed, match="a fault of the plugin"):
            await host.shells.run(user.shell.id, "echo never")
        assert (await user.run("echo on")).out == b"on\n"


@pytest.mark.parametrize("fault", [OSError("a fault of the plugin"), StoreFailed("it does not answer")])
async def test_a_store_that_fails_when_the_changed_record_of_an_ended_run_is_read_again_ends_no_host(
    local_agent: LocalAgent, fault: Exception
):
    store = StoreOfRuns()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        begun = await host.shells.run(user.shell.id, "until [ -e go ]; do sleep 0.02; done")
        await records.save(store, attrs.evolve(await user.again(), cwd="/elsewhere"))
        store.down = fault
        (local_agent.workspace / "go").touch()
        async with asyncio.timeout(10):
            await store.was_down.wait()
        store.down = None
        assert (await user.rest(begun)).run.exit_code == 0
        assert (await user.run("echo on")).out == b"on\n"
