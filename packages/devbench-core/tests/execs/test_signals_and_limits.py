"""Signals reach whom they shall; limits and left processes are as asked."""

import attrs
import pytest

from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import ValidationFailed, Vetoed
from devbench_core.memory.store import MemoryStore
from devbench_core.model.event import Veto
from devbench_core.model.execution import (
    Exec,
    ExecReason,
    ExecRequest,
    Leftovers,
    Page,
    ResourceLimits,
    SignalScope,
    StreamName,
)
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, descendants, eventually, open_host

LISTEN = 'trap "echo %s" USR1; echo ready; while :; do sleep 0.02; done'
FAMILY = f"""
(%s) &
setsid sh -c '{LISTEN % "far"}' &
{LISTEN % "leader"}
""" % (LISTEN % "near")


def out(page: Page) -> bytes:
    return b"".join(chunk.data for chunk in page.chunks if chunk.stream is StreamName.STDOUT)


async def said(host: Host, exec_id: str) -> list[str]:
    return sorted(out(await host.execs.poll(exec_id)).decode().split())


async def until_said(host: Host, exec_id: str, words: list[str]) -> None:
    cursor, text = 0, b""
    while sorted(text.decode().split()) != sorted(words):
        page = await host.execs.poll(exec_id, after=cursor, wait_s=10)
        assert page.chunks, f"{text!r} and no more"
        text += out(page)
        cursor = page.cursor


async def family(host: Host) -> Exec:
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sh", "-c", FAMILY)))
    await until_said(host, started.id, ["ready"] * 3)
    return started


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        (SignalScope.LEADER, ["leader"]),
        (SignalScope.GROUP, ["leader", "near"]),
        (SignalScope.TREE, ["far", "leader", "near"]),
    ],
)
async def test_a_signal_reaches_its_scope_and_nobody_else(host: Host, scope: SignalScope, reached: list[str]):
    started = await family(host)
    assert await host.execs.signal(started.id, "USR1", scope=scope)
    await until_said(host, started.id, [*["ready"] * 3, *reached])
    ended = await host.execs.cancel(started.id)
    assert ended.ending is not None
    assert await said(host, started.id) == sorted([*["ready"] * 3, *reached])


@pytest.mark.parametrize("name", ["SIGUSR1", "usr1", 10])
async def test_a_signal_has_a_name_in_either_form_or_a_number(host: Host, name: str | int):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
    assert await host.execs.signal(started.id, name)
    ended = await host.execs.wait(started.id, wait_s=10)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.signal) == (ExecReason.SIGNALED, 10)
    assert not await host.execs.signal(started.id, name), "it has ended"


@pytest.mark.parametrize("name", ["SIGNOTHING", "", 0, 65])
async def test_what_is_no_signal_is_refused(host: Host, name: str | int):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
    with pytest.raises(ValidationFailed, match="signal"):
        await host.execs.signal(started.id, name)
    assert (await host.execs.get(started.id)).ending is None
    await host.execs.cancel(started.id)


async def test_a_signal_is_reviewed(host: Host):
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
    host.veto = Veto(clause="test", reason="no signals")
    with pytest.raises(Vetoed):
        await host.execs.signal(started.id, "KILL")
    host.veto = None
    assert host.requests[-1].operation == "exec.signal"
    await host.execs.cancel(started.id)


async def test_another_host_signals_too(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
    ):
        started = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
        assert await second.execs.signal(started.id, "HUP")
        ended = await first.execs.wait(started.id, wait_s=10)
        assert ended.ending is not None
        assert ended.ending.signal == 1


async def test_limits_hold_for_the_command_and_for_no_other(host: Host):
    script = ("sh", "-c", "ulimit -n; ulimit -c; nice")
    limited = ExecRequest(argv=script, limits=ResourceLimits(nofile=77, core_bytes=0, nice=5))
    before = await host.execs.start(CONTAINER_ID, ExecRequest(argv=script))
    started = await host.execs.start(CONTAINER_ID, limited)
    for each in (before, started):
        await host.execs.wait(each.id, wait_s=10)
    assert await said(host, started.id) == ["0", "5", "77"]
    assert "77" not in await said(host, before.id)


@pytest.mark.parametrize(
    "limits",
    [
        ResourceLimits(nofile=0),
        ResourceLimits(nofile=2**30),
        ResourceLimits(core_bytes=-1),
        ResourceLimits(nice=-1),
    ],
)
async def test_limits_out_of_bounds_are_refused_by_name(host: Host, limits: ResourceLimits):
    with pytest.raises(ValidationFailed, match=r"limits\.(nofile|core_bytes|nice)"):
        await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), limits=limits))
    assert await host.execs.list(CONTAINER_ID) == ()


async def test_what_a_command_leaves_is_left_or_ended_as_asked(host: Host, local_agent: LocalAgent):
    leaving = ExecRequest(argv=("sh", "-c", "sleep 300 & exit 3"))
    started = await host.execs.start(CONTAINER_ID, attrs.evolve(leaving, leftovers=Leftovers.END))
    ended = await host.execs.wait(started.id, wait_s=10)
    assert ended.ending is not None
    assert (ended.ending.exit_code, ended.ending.message) == (3, "")
    await eventually(lambda: descendants(local_agent.process.pid) == [])
    started = await host.execs.start(CONTAINER_ID, leaving)
    ended = await host.execs.wait(started.id, wait_s=10)
    assert ended.ending is not None
    assert "1 of its processes were left" in ended.ending.message
    assert descendants(local_agent.process.pid) != []


async def test_a_signal_finds_its_way_while_the_channel_is_opened_anew(local_agent: LocalAgent):
    streams: list[ByteStream] = []

    async def connect() -> ByteStream:
        streams.append(await local_agent.connect())
        return streams[-1]

    async with open_host(connect, local_agent.token) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
        await streams[0].close()
        assert await host.execs.signal(started.id, "TERM")
        ended = await host.execs.wait(started.id, wait_s=20)
        assert ended.ending is not None
        assert (ended.ending.reason, ended.ending.signal) == (ExecReason.SIGNALED, 15)


async def test_the_newest_commands_are_listed_and_all_that_run(host: Host, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("devbench_core.execs.listing.LIST_MAX", 3)
    running = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
    later: list[str] = []
    for _ in range(5):
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",)))
        await host.execs.wait(started.id, wait_s=10)
        later.append(started.id)
    assert [each.id for each in await host.execs.list(CONTAINER_ID)] == later[-3:]
    assert [each.id for each in await host.execs.list(CONTAINER_ID, running=True)] == [running.id]
