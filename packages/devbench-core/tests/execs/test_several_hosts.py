"""Commands outlive the host that started them."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from devbench_core.contracts.store import Append, Change, LogEntry, Put, Record, Store
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import Conflict, ExecNotFound, InputUnavailable, StoreFailed
from devbench_core.execs import records
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import Caller
from devbench_core.model.container import ContainerEnding, EndReason
from devbench_core.model.execution import (
    Exec,
    ExecEnding,
    ExecReason,
    ExecRequest,
    ExecState,
    Mark,
    TerminalSize,
)
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, descendants, eventually, open_host, python
from harness.file_store import FileStore

LINES = b"".join(b"%d\n" % i for i in range(60_000))
SLOW_COUNT = (
    "import time\nfor i in range(60000):\n  print(i, flush=i % 100 == 0)\n  i % 3000 or time.sleep(0.02)"
)


async def all_output(host: Host, exec_id: str) -> bytes:
    process = await host.execs.process(exec_id)
    return b"".join([chunk.data async for chunk in process.output()])


async def test_another_host_reads_and_cancels_a_command_that_it_did_not_start(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
    ):
        started = await first.execs.start(
            CONTAINER_ID, ExecRequest(argv=("sh", "-c", "echo hello; sleep 100"))
        )
        page = await second.execs.poll(started.id, wait_s=10)
        assert page.chunks[0].data == b"hello\n"
        assert page.ending is None
        assert (await second.execs.wait(started.id, wait_s=0.2)).ending is None
        cancelled = await second.execs.cancel(started.id)
        assert cancelled.ending is not None
        assert cancelled.ending.reason is ExecReason.CANCELLED
        assert (await second.execs.poll(started.id, after=page.cursor)).ending == cancelled.ending
        assert (await first.execs.get(started.id)).ending == cancelled.ending


async def test_news_of_a_command_reach_every_host_once_each(local_agent: LocalAgent):
    store = MemoryStore()
    script = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two"
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
    ):
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("sh", "-c", script)))
        await first.execs.poll(started.id, wait_s=10)
        for host in (first, second):
            seen = await host.execs.news(started.id, seen=None)
            assert seen == Mark(seq=1)
            assert await host.execs.news(started.id, seen=seen, wait_s=0.1) == seen
        waits = [asyncio.create_task(wait_for_the_end(host, started.id)) for host in (first, second)]
        (local_agent.workspace / "go").touch()
        for seen in await asyncio.gather(*waits):
            assert seen == Mark(seq=2, ended=True)
        ends = [await host.execs.ends(started.id, limit_bytes=6, limit_chunks=9) for host in (first, second)]
        assert ends[0] == ends[1]
        assert b"".join(chunk.data for chunk in (*ends[0].head, *ends[0].tail)) == b"one\ntwo\n"
        assert ends[0].ending == (await first.execs.get(started.id)).ending
        with pytest.raises(ExecNotFound):
            await second.execs.news(started.id, seen=None, caller=Caller(tenant="other"))
        with pytest.raises(ExecNotFound):
            await second.execs.ends(started.id, limit_bytes=6, limit_chunks=9, caller=Caller(tenant="other"))


async def wait_for_the_end(host: Host, exec_id: str) -> Mark:
    seen = Mark(seq=1)
    async with asyncio.timeout(20):
        while not seen.ended:
            seen = await host.execs.news(exec_id, seen=seen, wait_s=10)
    return seen


async def test_a_host_that_left_cleanly_is_followed_without_losing_a_byte(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=python(SLOW_COUNT)))
        page = await first.execs.poll(started.id, wait_s=10)
        assert page.chunks
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        await second.execs.recover(second.container)
        await second.execs.recover(second.container)
        assert second.execs.running_here
        assert await all_output(second, started.id) == LINES
        ended = await second.execs.get(started.id)
        assert ended.ending is not None
        assert ended.ending.exit_code == 0
        assert ended.instance == "i_second"


async def test_an_adoption_that_is_cancelled_leaves_the_command_to_the_next_who_asks(local_agent: LocalAgent):
    store, asked, go = MemoryStore(), asyncio.Event(), asyncio.Event()

    async def connect() -> ByteStream:
        asked.set()
        await go.wait()
        return await local_agent.connect()

    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=python(SLOW_COUNT)))
    async with open_host(connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        poll = asyncio.create_task(second.execs.poll(started.id, wait_s=10))
        await asked.wait()
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        assert not second.execs.running_here, "nobody follows it in vain"
        go.set()
        assert await all_output(second, started.id) == LINES
        assert not second.execs.running_here


async def test_input_for_a_command_that_is_just_being_adopted_waits_for_its_agent(local_agent: LocalAgent):
    store, asked, go = MemoryStore(), asyncio.Event(), asyncio.Event()

    async def connect() -> ByteStream:
        asked.set()
        await go.wait()
        return await local_agent.connect()

    size = TerminalSize(columns=80, rows=24)
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("head", "-n", "1"), tty=size))
    async with open_host(connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        polling = asyncio.create_task(second.execs.poll(started.id, wait_s=10))
        await asked.wait()  # it is followed, and cannot be told anything yet
        giving = asyncio.create_task(second.execs.write_input(started.id, b"said\n"))
        for _ in range(100):  # it comes as far as it can
            await asyncio.sleep(0)
        go.set()
        assert (await giving).accepted_bytes == 5
        await polling
        assert (
            await all_output(second, started.id) == b"said\r\nsaid\r\n"
        )  # what was typed, and what came of it


async def test_input_for_a_command_whose_adoption_is_given_up_is_not_given_and_may_be_repeated(
    local_agent: LocalAgent,
):
    store, asked = MemoryStore(), asyncio.Event()

    async def connect() -> ByteStream:
        asked.set()
        return await asyncio.Future[ByteStream]()

    size = TerminalSize(columns=80, rows=24)
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",), tty=size))
    async with open_host(connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        polling = asyncio.create_task(second.execs.poll(started.id, wait_s=10))
        await asked.wait()
        giving = asyncio.create_task(second.execs.write_input(started.id, b"said\n"))
        for _ in range(100):
            await asyncio.sleep(0)
        polling.cancel()
        with pytest.raises(InputUnavailable, match="no longer") as refused:
            await giving
        assert refused.value.details == {"reason": "elsewhere", "accepted_bytes": 0}
        assert "try again" in refused.value.hint


async def test_a_command_of_a_dead_host_is_adopted_by_whoever_asks_for_it(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=python(SLOW_COUNT)))
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        results = await asyncio.gather(*(all_output(second, started.id) for _ in range(3)))
        assert results == [LINES] * 3
        assert (await second.execs.get(started.id)).ending is not None


class SlowToTellOutput(MemoryStore):
    """A store in which looking for output takes until it is allowed, and that counts adoptions."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.adoptions = 0

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        self.asked.set()
        await self.go.wait()
        return await super().read(log, after=after, limit=limit)

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        only = changes[0] if len(changes) == 1 else None
        if isinstance(only, Put) and only.kind == records.KIND:
            self.adoptions += only.data["instance"] == "i_second" and only.data["ending"] is None
        return await super().apply(*changes)


@asynccontextmanager
async def an_orphan(local_agent: LocalAgent) -> AsyncGenerator[tuple[SlowToTellOutput, Host, Exec]]:
    """Give the store and the second host of a command whose first one died; looking for output takes from now on."""
    store = SlowToTellOutput()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=python(SLOW_COUNT)))
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        store.asked.clear()
        store.go.clear()
        yield store, second, started


async def test_who_asks_while_a_command_is_adopted_does_not_have_it_adopted_again(local_agent: LocalAgent):
    async with an_orphan(local_agent) as (store, second, started):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(second.execs.poll(started.id, wait_s=10))
            await store.asked.wait()  # it is this host's in the store, and followed by nobody yet
            tasks.create_task(second.execs.recover(second.container))
            tasks.create_task(second.execs.poll(started.id, wait_s=10))
            for _ in range(100):  # they come as far as they can
                await asyncio.sleep(0)
            store.go.set()
        assert await all_output(second, started.id) == LINES
        assert store.adoptions == 1


async def test_who_asks_after_an_adoption_was_given_up_waits_for_the_next_one_too(local_agent: LocalAgent):
    async with an_orphan(local_agent) as (store, second, started):
        async with asyncio.TaskGroup() as tasks:
            given_up = tasks.create_task(second.execs.poll(started.id, wait_s=10))
            await store.asked.wait()
            tasks.create_task(second.execs.poll(started.id, wait_s=10))
            for _ in range(100):  # it waits for the first one
                await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.wait({given_up})
            tasks.create_task(second.execs.poll(started.id, wait_s=10))
            for _ in range(100):
                await asyncio.sleep(0)
            store.go.set()
        assert await all_output(second, started.id) == LINES
        assert store.adoptions == 2  # the one that was given up, and one for both


async def test_a_command_that_ended_while_no_host_was_there_has_its_true_ending(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(
            CONTAINER_ID, ExecRequest(argv=("sh", "-c", "read x; echo late; exit 7"), stdin=b"")
        )
    await eventually(lambda: descendants(local_agent.process.pid) == [])
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        ended = await second.execs.wait(started.id, wait_s=10)
        assert ended.ending is not None
        assert ended.ending.exit_code == 7
        assert await all_output(second, started.id) == b"late\n"


async def test_a_command_whose_input_died_with_its_host_is_ended_and_says_so(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",)), open_stdin=True)
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        ended = await second.execs.wait(started.id, wait_s=10)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.CANCELLED
        assert "input" in ended.ending.message


async def test_a_command_that_the_agent_does_not_know_is_lost(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        record = Exec(
            id="x_" + "1" * 20,
            container_id=CONTAINER_ID,
            tenant="default",
            created_by="local",
            argv=("true",),
            state=ExecState.RUNNING,
            created_at=host.container.created_at,
            instance="i_dead",
        )
        await records.save(store, record)
        host.dead.add("i_dead")
        await host.execs.recover(host.container)
        ended = await host.execs.wait(record.id, wait_s=10)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.LOST
        assert not host.execs.running_here


async def test_a_command_of_a_dead_host_in_an_ended_container_ended_with_it(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "100")))
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        at = second.container.created_at
        ending = ContainerEnding(reason=EndReason.OUT_OF_MEMORY, at=at, by="engine")
        await second.execs.end_all(second.container, ending)
        ended = await second.execs.get(started.id)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.CONTAINER_EXITED
        assert "out_of_memory" in ended.ending.message


async def test_an_ending_that_was_recorded_but_not_acknowledged_is_settled_by_the_next_host(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "0.3")))
    await eventually(lambda: descendants(local_agent.process.pid) == [])
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        found = await store.get(records.KIND, started.id)
        assert found is not None
        ending = ExecEnding(reason=ExecReason.EXITED, exit_code=0, at=second.container.created_at)
        await records.save(store, records.ended(records.read(found), ending))
        second.container = attrs.evolve(second.container, instance="i_second")
        await second.execs.recover(second.container)
        channel = await second.link.channel()
        async with asyncio.timeout(10):
            while await channel.list_execs():
                await asyncio.sleep(0.01)
        assert (await second.execs.get(started.id)).ending == ending


class FlakyStore(MemoryStore):
    """Refuses a quarter of the writes of output, but for a command's first, and loses the answers to some.

    By chance: in turns it might refuse the same step of each try for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(7)  # noqa: S311 - which of the writes

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        output = any(isinstance(change, Append) for change in changes)
        first = any(isinstance(change, Put) and change.expect == 0 for change in changes)
        chance = self.chance.random() if output and not first else 1.0
        if chance < 0.25:
            raise StoreFailed("full")
        done = await super().apply(*changes)
        if chance < 0.35:
            raise StoreFailed("written, but the answer was lost")
        return done


async def test_a_store_that_fails_now_and_then_loses_and_repeats_nothing(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token, store=FlakyStore()) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("seq", "30000")))
        expected = b"".join(b"%d\n" % i for i in range(1, 30001))
        assert await all_output(host, started.id) == expected


HOST_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from devbench_core.channel.unix import open_unix
from devbench_core.model.execution import ExecRequest
from harness.agent_host import CONTAINER_ID, open_host
from harness.file_store import FileStore

async def main():
    socket, token, file, code = sys.argv[1:]
    async with open_host(
        lambda: open_unix(Path(socket)),
        bytes.fromhex(token),
        store=await FileStore.from_file(Path(file)),
        instance="i_killed",
    ) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=(sys.executable, "-c", code)))
        cursor = 0
        while True:
            page = await host.execs.poll(started.id, after=cursor, wait_s=10)
            cursor = page.cursor
            seen = sum(len(chunk.data) for chunk in page.chunks)
            print(json.dumps([started.id, cursor, seen, bool(page.ending)]), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("reads", [1, 4, 9])
async def test_a_host_killed_in_mid_output_loses_and_repeats_nothing(
    local_agent: LocalAgent, tmp_path: Path, reads: int
):
    file = tmp_path / "changes"
    exec_id, cursor, seen, ended = await asyncio.to_thread(kill_a_host, local_agent, file, reads)
    assert not ended
    store: Store = await FileStore.from_file(file)
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_next") as host:
        host.dead.add("i_killed")
        await host.execs.recover(host.container)
        process = await host.execs.process(exec_id)
        rest = b"".join([chunk.data async for chunk in process.output(cursor)])
        assert rest == LINES[seen:], "a cursor that the killed host showed holds"
        assert await all_output(host, exec_id) == LINES
        ending = await process.wait()
        assert (ending.reason, ending.exit_code) == (ExecReason.EXITED, 0)
        assert ending.output_bytes == len(LINES)


def kill_a_host(agent: LocalAgent, file: Path, reads: int) -> tuple[str, int, int, bool]:
    words = [sys.executable, "-c", HOST_PROGRAM, str(agent.socket), agent.token.hex(), str(file), SLOW_COUNT]
    env_path = str(Path(__file__).parents[4] / "tests")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, env={"PYTHONPATH": env_path, "PATH": "/usr/bin:/bin"}
    ) as host:
        assert host.stdout is not None
        seen = 0
        exec_id, cursor, ended = "", 0, False
        for _ in range(reads):
            exec_id, cursor, size, ended = json.loads(host.stdout.readline())
            seen += size
        host.send_signal(signal.SIGKILL)
        rest = host.stdout.read().splitlines()
        for line in rest:
            if line.endswith(b"]"):
                exec_id, cursor, size, ended = json.loads(line)
                seen += size
    return exec_id, cursor, seen, ended


async def change_behind_its_back(host: Host, exec_id: str, **fields: object) -> None:
    while True:
        found = await host.store.get(records.KIND, exec_id)
        assert found is not None
        try:
            await records.save(host.store, attrs.evolve(records.read(found), **fields))
        except Conflict:
            continue
        return


async def test_an_ending_that_somebody_else_recorded_first_holds(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",)), open_stdin=True)
    other = ExecEnding(reason=ExecReason.LOST, message="said another host", at=started.created_at)
    await change_behind_its_back(host, started.id, state=ExecState.ENDED, ending=other)
    await (await host.execs.process(started.id)).close_stdin()
    await eventually(lambda: not host.execs.running_here)
    assert (await host.execs.get(started.id)).ending == other


async def test_a_record_that_changed_meanwhile_still_gets_its_ending(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",)), open_stdin=True)
    await change_behind_its_back(host, started.id, cwd="elsewhere")
    await (await host.execs.process(started.id)).close_stdin()
    ended = await host.execs.wait(started.id, wait_s=20)
    assert ended.ending is not None
    assert ended.ending.reason is ExecReason.EXITED
    stored = await host.store.get(records.KIND, started.id)
    assert stored is not None
    assert records.read(stored) == ended


async def test_a_command_that_another_host_adopted_is_left_to_it(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",)), open_stdin=True)
    await change_behind_its_back(host, started.id, instance="i_other")
    await (await host.execs.process(started.id)).close_stdin()
    await eventually(lambda: not host.execs.running_here)
    assert (await host.execs.get(started.id)).ending is None
    assert host.told("exec.ended") == []


async def test_a_host_that_is_succeeded_while_it_lives_loses_no_output_and_writes_none(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    count = "import sys\nfor i in range(300_000):\n  print(i)\nsys.stdin.read()"
    for number in range(4):
        async with (
            open_host(local_agent.connect, local_agent.token, store=store, claim=number == 0) as first,
            open_host(
                local_agent.connect, local_agent.token, store=store, claim=False, instance="i_second"
            ) as second,
        ):
            second.dead.add("i_first")
            request = ExecRequest(argv=python(count), stdin=b"")
            started = await first.execs.start(CONTAINER_ID, request)
            await first.execs.poll(started.id, wait_s=10)
            await second.execs.recover(second.container)
            ended = await second.execs.wait(started.id, wait_s=30)
            assert ended.ending is not None
            output = await all_output(second, started.id)
            assert output == b"".join(b"%d\n" % i for i in range(300_000))
            assert ended.ending.output_bytes == len(output)
