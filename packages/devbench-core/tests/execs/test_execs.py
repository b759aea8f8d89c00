"""Commands on a real agent."""

import asyncio
from pathlib import PurePosixPath

import attrs
import pytest

from devbench_core.channel.exec_messages import ARGUMENTS_MAX, Start
from devbench_core.contracts.store import Record
from devbench_core.errors import (
    ConcurrencyLimit,
    ContainerExited,
    ExecNotFound,
    ValidationFailed,
    Vetoed,
)
from devbench_core.execs import records
from devbench_core.execs.settings import ExecLimits
from devbench_core.execs.validate import with_environment
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container, ContainerEnding, EndReason
from devbench_core.model.event import Veto
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, ExecState, StreamName
from harness.agent_host import (
    CONTAINER_ID,
    Host,
    LocalAgent,
    a_container,
    descendants,
    eventually,
    open_host,
    python,
)


async def run(host: Host, *argv: str, **fields: object) -> Exec:
    request = attrs.evolve(ExecRequest(argv=argv), **fields)
    started = await host.execs.start(CONTAINER_ID, request)
    return await host.execs.wait(started.id, wait_s=30)


async def output(host: Host, exec_id: str, stream: StreamName | None = None) -> bytes:
    process = await host.execs.process(exec_id)
    return b"".join([c.data async for c in process.output() if stream is None or c.stream is stream])


async def test_an_exit_code_and_both_outputs_come_back_apart(host: Host):
    ended = await run(host, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 3)
    assert ended.ending.output_bytes == 8
    assert await output(host, ended.id, StreamName.STDOUT) == b"out\n"
    assert await output(host, ended.id, StreamName.STDERR) == b"err\n"


async def test_input_environment_and_directory_reach_the_command(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "sub").mkdir()
    ended = await run(
        host,
        "sh",
        "-c",
        "cat; echo $NAME; basename $PWD",
        stdin=b"given\n",
        env={"NAME": "wert"},
        cwd=PurePosixPath("sub"),
    )
    assert await output(host, ended.id) == b"given\nwert\nsub\n"


async def test_input_larger_than_every_buffer_arrives_whole(host: Host):
    data = bytes(range(256)) * 12_000
    ended = await run(host, "cat", stdin=data)
    assert await output(host, ended.id) == data


async def test_a_command_that_does_not_read_its_input_still_ends(host: Host):
    ended = await run(host, "true", stdin=b"x" * 1_000_000)
    assert ended.ending is not None
    assert ended.ending.exit_code == 0


async def test_megabytes_on_both_outputs_arrive_in_order_and_whole(host: Host):
    code = "import os\nfor i in range(100): os.write(1, b'o'*50000+b'%d' % i); os.write(2, b'e'*50000)"
    ended = await run(host, *python(code))
    expected = b"".join(b"o" * 50000 + b"%d" % i for i in range(100))
    assert await output(host, ended.id, StreamName.STDOUT) == expected
    assert await output(host, ended.id, StreamName.STDERR) == b"e" * 5_000_000


async def test_sequence_numbers_begin_at_one_and_have_no_gaps(host: Host):
    ended = await run(host, "sh", "-c", "for i in 1 2 3 4 5; do echo $i; echo $i >&2; done")
    page = await host.execs.poll(ended.id, after=0)
    assert [chunk.seq for chunk in page.chunks] == list(range(1, len(page.chunks) + 1))
    assert page.ending == ended.ending
    again = await host.execs.poll(ended.id, after=page.cursor)
    assert (again.chunks, again.cursor, again.ending) == ((), page.cursor, ended.ending)


async def test_pages_respect_their_bound_and_together_give_everything(host: Host):
    ended = await run(host, "head", "-c", "1000000", "/dev/zero")
    cursor, got = 0, 0
    while True:
        page = await host.execs.poll(ended.id, after=cursor, max_bytes=100_000)
        size = sum(len(chunk.data) for chunk in page.chunks)
        assert size <= 100_000
        cursor, got = page.cursor, got + size
        if page.ending:
            break
    assert got == 1_000_000


async def test_output_that_left_memory_comes_from_the_store(local_agent: LocalAgent):
    limits = ExecLimits(journal_memory_bytes=64 * 1024)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        ended = await run(host, "head", "-c", "3000000", "/dev/zero")
        assert len(await output(host, ended.id)) == 3_000_000


async def test_a_poll_waits_for_output_and_returns_as_soon_as_there_is_some(host: Host):
    started = await host.execs.start(
        CONTAINER_ID, ExecRequest(argv=("sh", "-c", "read x; echo got $x")), open_stdin=True
    )
    process = await host.execs.process(started.id)
    waiting = asyncio.create_task(host.execs.poll(started.id, wait_s=30))
    await process.write(b"it\n")
    page = await waiting
    assert page.chunks[0].data == b"got it\n"
    assert (await process.wait()).reason is ExecReason.EXITED


async def test_two_readers_get_the_same_chunks(host: Host):
    started = await host.execs.start(
        CONTAINER_ID, ExecRequest(argv=("sh", "-c", "for i in $(seq 500); do echo line $i; done"))
    )
    first, second = await asyncio.gather(output(host, started.id), output(host, started.id))
    assert first == second == b"".join(b"line %d\n" % i for i in range(1, 501))


async def test_closing_the_input_gives_end_of_file(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",)), open_stdin=True)
    process = await host.execs.process(started.id)
    for _ in range(20):
        await process.write(b"y" * 100_000)
    await process.close_stdin()
    await process.close_stdin()
    assert len(await output(host, started.id)) == 2_000_000
    await process.write(b"too late")


async def test_a_signal_reaches_the_tree(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "100")))
    process = await host.execs.process(started.id)
    await process.signal(9)
    ending = await process.wait()
    assert (ending.reason, ending.signal) == (ExecReason.SIGNALED, 9)
    await process.signal(9)
    with pytest.raises(ValidationFailed):
        await process.signal(0)


@pytest.mark.parametrize(
    ("argv", "cwd", "failure"),
    [
        (("no-such-program",), None, "not_found"),
        (("/etc/passwd",), None, "not_executable"),
        (("true",), PurePosixPath("nowhere"), "bad_directory"),
    ],
)
async def test_a_command_that_cannot_start_says_exactly_why(
    host: Host, argv: tuple[str, ...], cwd: PurePosixPath | None, failure: str
):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=argv, cwd=cwd))
    assert started.ending is not None
    assert (started.ending.reason, started.ending.failure) == (ExecReason.FAILED_TO_START, failure)
    assert not host.execs.running_here
    assert len(host.told("exec.ended")) == 1
    assert host.told("exec.started") == []


async def test_a_timeout_kills_the_grandchildren(host: Host, local_agent: LocalAgent):
    script = "trap '' TERM; setsid sleep 100 & (sleep 100 & sleep 100) & sleep 100"
    ended = await run(host, "sh", "-c", script, timeout_s=0.3, grace_s=0.1)
    assert ended.ending is not None
    assert ended.ending.reason is ExecReason.TIMED_OUT
    await eventually(lambda: descendants(local_agent.process.pid) == [])


async def test_a_cancel_returns_when_nothing_is_left(host: Host, local_agent: LocalAgent):
    started = await host.execs.start(
        CONTAINER_ID, ExecRequest(argv=("sh", "-c", "sleep 100 & sleep 100"), grace_s=1)
    )
    cancelled = await host.execs.cancel(started.id)
    assert cancelled.ending is not None
    assert cancelled.ending.reason is ExecReason.CANCELLED
    assert await host.execs.cancel(started.id) == cancelled
    await eventually(lambda: descendants(local_agent.process.pid) == [])


async def test_a_caller_that_is_cancelled_at_any_moment_leaves_nothing_running(
    host: Host, local_agent: LocalAgent
):
    for turns in range(30):
        request = ExecRequest(argv=("sleep", "100"))
        starting = asyncio.create_task(host.execs.start(CONTAINER_ID, request))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        try:
            await host.execs.cancel((await starting).id)
        except asyncio.CancelledError:
            await eventually(lambda: not host.execs.running_here)
    await eventually(lambda: descendants(local_agent.process.pid) == [])
    assert all(found.ending is not None for found in await host.execs.list(CONTAINER_ID))
    assert await (await host.link.channel()).list_execs() == ()


async def test_the_limit_of_commands_is_exact_under_concurrency(host: Host):
    request = ExecRequest(argv=("sleep", "100"))
    results = await asyncio.gather(
        *(host.execs.start(CONTAINER_ID, request) for _ in range(20)), return_exceptions=True
    )
    running = [result for result in results if isinstance(result, Exec)]
    refused = [result for result in results if isinstance(result, ConcurrencyLimit)]
    assert (len(running), len(refused)) == (4, 16)
    assert [e.id for e in await host.execs.running(host.container)] == sorted(
        (e.id for e in running), key=lambda i: next((e.created_at, e.id) for e in running if e.id == i)
    )
    await asyncio.gather(*(host.execs.cancel(exec_.id) for exec_ in running))
    assert not host.execs.running_here


async def test_the_ending_is_recorded_once_however_many_things_end_it(host: Host):
    for _ in range(10):
        started = await host.execs.start(
            CONTAINER_ID, ExecRequest(argv=("sleep", "0.05"), timeout_s=0.05, grace_s=0)
        )
        endings = await asyncio.gather(
            *(host.execs.cancel(started.id) for _ in range(3)),
            *(host.execs.wait(started.id, wait_s=10) for _ in range(3)),
        )
        assert len({e.ending for e in endings}) == 1
        assert len([e for e in host.told("exec.ended") if e.exec_id == started.id]) == 1
        record = await host.store.get(records.KIND, started.id)
        assert isinstance(record, Record)
        assert records.read(record).ending == endings[0].ending


async def test_large_arguments_and_environments_of_many_commands_at_once_arrive_whole(
    local_agent: LocalAgent,
):
    limits = ExecLimits(concurrent_per_container=8)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        words = tuple(["x" * 100_000] * 8)
        env = {f"BIG{i}": "y" * 100_000 for i in range(8)}
        code = "import os, sys; print(sum(map(len, sys.argv[1:])), sum(len(os.environ[f'BIG{i}']) for i in range(8)))"
        ended = await asyncio.gather(*(run(host, *python(code), *words, env=env) for _ in range(8)))
        for one in ended:
            assert await output(host, one.id) == b"800000 800000\n"


async def test_more_variables_than_the_agent_takes_are_refused_and_leave_the_slot_and_the_commands_alone(
    host: Host,
):
    running = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "100")))
    env = {f"V{number}": "" for number in range(ARGUMENTS_MAX + 1)}
    for _ in range(ExecLimits().concurrent_per_container + 1):
        with pytest.raises(ValidationFailed, match=f"at most {ARGUMENTS_MAX}") as refused:
            await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), env=env))
        assert refused.value.details["field"] == "env"
    assert (await run(host, "true")).ending is not None
    assert (await host.execs.get(running.id)).ending is None
    await host.execs.cancel(running.id)


def test_the_containers_own_variables_count_too():
    start = Start(key="k", flags=0, argv=(b"true",), env=(b"A=",) * ARGUMENTS_MAX)
    container = a_container()
    assert with_environment(start, container) == start
    full = attrs.evolve(container, spec=attrs.evolve(container.spec, env={"OWN": "x"}))
    with pytest.raises(ValidationFailed, match="the container's own included"):
        with_environment(start, full)


async def test_a_wait_that_is_too_short_says_that_it_runs(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "100")))
    waited = await host.execs.wait(started.id, wait_s=0.01)
    assert (waited.state, waited.ending) == (ExecState.RUNNING, None)
    await host.execs.cancel(started.id)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ExecRequest(argv=()), "argv"),
        (ExecRequest(argv=("",)), "argv"),
        (ExecRequest(argv=("a\0b",)), "argv"),
        (ExecRequest(argv=("x" * 2_000_000,)), "argv"),
        (ExecRequest(argv=("x",) * 70_000), "argv"),
        (ExecRequest(argv=("\ud800",)), "argv"),
        (ExecRequest(argv=("x",), env={"1A": ""}), "env"),
        (ExecRequest(argv=("x",), env={"A": "\0"}), "env.A"),
        (ExecRequest(argv=("x",), env={f"A{i}": "x" * 1000 for i in range(2000)}), "env"),
        (ExecRequest(argv=("x",), timeout_s=0), "timeout_s"),
        (ExecRequest(argv=("x",), timeout_s=float("nan")), "timeout_s"),
        (ExecRequest(argv=("x",), timeout_s=1e9), "timeout_s"),
        (ExecRequest(argv=("x",), grace_s=-1), "grace_s"),
        (ExecRequest(argv=("x",), stdin=b"x" * (16 * 1024 * 1024 + 1)), "stdin"),
        (ExecRequest(argv=("x",), cwd=PurePosixPath("x" * 5000)), "cwd"),
    ],
)
async def test_a_wrong_request_is_refused_by_naming_the_field(host: Host, request_: ExecRequest, field: str):
    with pytest.raises(ValidationFailed) as caught:
        await host.execs.start(CONTAINER_ID, request_)
    assert caught.value.details["field"] == field
    assert not host.execs.running_here


async def test_a_veto_refuses_before_anything_happens(host: Host):
    host.veto = Veto(clause="no_commands", reason="not today")
    with pytest.raises(Vetoed, match="not today"):
        await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",)))
    assert await host.execs.list(CONTAINER_ID) == ()
    assert host.requests[0].operation == "exec.start"


async def test_another_tenant_does_not_see_a_command(host: Host):
    ended = await run(host, "true")
    stranger = Caller(tenant="other")
    with pytest.raises(ExecNotFound):
        await host.execs.get(ended.id, caller=stranger)
    with pytest.raises(ExecNotFound):
        await host.execs.poll(ended.id, caller=stranger)
    with pytest.raises(ValidationFailed):
        await host.execs.get("nonsense")
    with pytest.raises(ExecNotFound):
        await host.execs.get("x_" + "0" * 20)


async def test_commands_are_listed_with_the_oldest_first(host: Host):
    first, second = await run(host, "true"), await run(host, "false")
    assert [e.id for e in await host.execs.list(CONTAINER_ID)] == [first.id, second.id]
    assert await host.execs.running(host.container) == ()


async def test_events_tell_what_happened(host: Host):
    ended = await run(host, "true")
    names = [(e.name, e.exec_id) for e in host.events]
    assert names == [("exec.started", ended.id), ("exec.ended", ended.id)]
    assert host.events[1].fields == {"reason": "exited"}


async def test_the_end_of_a_container_ends_its_commands(host: Host, local_agent: LocalAgent):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sh", "-c", "echo before; sleep 100")))
    await host.execs.poll(started.id, wait_s=10)
    local_agent.kill()
    ending = ContainerEnding(reason=EndReason.KILLED, at=host.container.created_at, by="someone")
    await host.link.aclose()
    await host.execs.end_all(host.container, ending)
    ended = await host.execs.get(started.id)
    assert ended.ending is not None
    assert ended.ending.reason is ExecReason.CONTAINER_EXITED
    assert "killed by someone" in ended.ending.message
    assert await output(host, started.id) == b"before\n"
    assert not host.execs.running_here


async def test_forgetting_a_container_removes_records_and_output(host: Host):
    ended = await run(host, "echo", "x")
    await host.execs.forget(CONTAINER_ID)
    with pytest.raises(ExecNotFound):
        await host.execs.get(ended.id)
    assert await host.store.read(f"journal/{ended.id}") == ()


async def test_an_unreachable_agent_leaves_no_slot_taken(host: Host, local_agent: LocalAgent):
    local_agent.kill()
    for _ in range(6):
        with pytest.raises(Exception, match="agent"):
            await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",)))
    assert not host.execs.running_here
    assert await host.execs.list(CONTAINER_ID) == ()


async def test_a_container_that_has_ended_is_said_to_have(host: Host, monkeypatch: pytest.MonkeyPatch):
    async def ended(_host: Host, name: str, _caller: Caller) -> Container:
        raise ContainerExited(name)

    monkeypatch.setattr(Host, "look_up", ended)
    with pytest.raises(ContainerExited):
        await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",)))
    assert not host.execs.running_here
