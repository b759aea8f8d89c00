"""Commands at a terminal, and input for commands that run."""

import asyncio

import attrs
import pytest

from devbench_core.errors import InputUnavailable, TooLarge, ValidationFailed, Vetoed
from devbench_core.execs.numbers import TERMINAL_SIDE_MAX
from devbench_core.execs.settings import ExecLimits
from devbench_core.memory.store import MemoryStore
from devbench_core.model.event import Veto
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, InputTaken, StreamName, TerminalSize
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, open_host, python, serving

SIZE = TerminalSize(columns=100, rows=30)
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)\nprint('over')"
# Waits for the signal as a blocked one: with a handler and `pause`, a resize in the moment between the two is
# handled before the wait begins, and then nothing is told until the next.
HEARS_RESIZES = r"""
import os, signal
def tell(*_): os.write(1, b'%d %d\n' % os.get_terminal_size())
signal.signal(signal.SIGWINCH, tell)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
tell()
while signal.sigwait([signal.SIGWINCH]): tell()
"""


async def started(host: Host, *argv: str, tty: TerminalSize | None = None, **more: object) -> Exec:
    request = attrs.evolve(ExecRequest(argv=argv, tty=tty), **more)
    return await host.execs.start(CONTAINER_ID, request, open_stdin=tty is None)


async def seen(host: Host, exec_id: str, words: bytes) -> bytes:
    """Wait for words on stdout and return all that came before and with them."""
    cursor, text = 0, b""
    while words not in text:
        page = await host.execs.poll(exec_id, after=cursor, wait_s=10)
        assert page.chunks, f"{text!r} and no more"
        assert {chunk.stream for chunk in page.chunks} == {StreamName.STDOUT}
        text += b"".join(chunk.data for chunk in page.chunks)
        cursor = page.cursor
    return text


async def refused(host: Host, exec_id: str, data: bytes = b"x") -> dict[str, object]:
    with pytest.raises(InputUnavailable) as raised:
        await host.execs.write_input(exec_id, data)
    assert raised.value.hint
    assert exec_id in raised.value.message
    return raised.value.details


async def test_a_command_with_a_terminal_has_its_size_one_stream_and_a_name_for_it(host: Host):
    record = await started(
        host,
        "sh",
        "-c",
        "stty size; echo $TERM >&2; test -t 0 && test -t 1 && test -t 2 && echo all",
        tty=SIZE,
    )
    assert record.tty
    assert await seen(host, record.id, b"all") == b"30 100\r\nxterm-256color\r\nall\r\n"
    ended = await host.execs.wait(record.id, wait_s=10)
    assert ended.ending is not None
    assert ended.ending.exit_code == 0


async def test_the_callers_own_name_for_the_terminal_holds(host: Host):
    record = await started(host, "sh", "-c", "echo =$TERM=", tty=SIZE, env={"TERM": "dumb"})
    await seen(host, record.id, b"=dumb=")


async def test_a_command_without_a_terminal_gets_no_name_for_one(host: Host):
    record = await started(host, "sh", "-c", "echo =$TERM=")
    await seen(host, record.id, b"==")


async def test_what_is_given_with_the_start_is_typed_first_and_more_can_follow(host: Host):
    record = await started(
        host, "sh", "-c", "stty -echo; read a; read b; echo =$a=$b=", tty=SIZE, stdin=b"one\n"
    )
    assert await host.execs.write_input(record.id, b"two\n") == InputTaken(accepted_bytes=4)
    await seen(host, record.id, b"=one=two=")


async def test_a_resize_reaches_the_program_and_the_process_interface_does_the_same(host: Host):
    record = await started(host, *python(HEARS_RESIZES), tty=SIZE)
    await seen(host, record.id, b"100 30\r\n")
    assert await host.execs.resize(record.id, TerminalSize(columns=90, rows=20))
    await seen(host, record.id, b"90 20\r\n")
    await (await host.execs.process(record.id)).resize(70, 10)
    await seen(host, record.id, b"70 10\r\n")
    assert host.requests[-1].operation == "exec.resize"
    await host.execs.cancel(record.id)
    assert not await host.execs.resize(record.id, SIZE), "it has ended"


async def test_another_host_resizes_and_types(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
        serving(first),
    ):
        record = await started(first, *python(HEARS_RESIZES), tty=SIZE)
        await seen(first, record.id, b"100 30\r\n")
        assert await second.execs.resize(record.id, TerminalSize(columns=90, rows=20))
        await seen(first, record.id, b"90 20\r\n")
        assert await second.execs.write_input(record.id, b"typed\n") == InputTaken(accepted_bytes=6)
        await seen(first, record.id, b"typed\r\n")
        assert [each.operation for each in second.requests][-1] == "exec.input"
        await first.execs.cancel(record.id)
        details = await refused(second, record.id)
        assert (details["reason"], details["accepted_bytes"]) == ("ended", 0)


async def test_of_several_hosts_each_gives_the_whole_of_its_bytes(local_agent: LocalAgent):
    store, lines = MemoryStore(), 20
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
        serving(first),
    ):
        record = await first.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",)), open_stdin=True)

        async def give(host: Host, word: str) -> None:
            for number in range(lines):
                await host.execs.write_input(record.id, f"{word * 500}{number}\n".encode())

        async with asyncio.TaskGroup() as group:
            group.create_task(give(first, "a"))
            group.create_task(give(second, "b"))
        assert await second.execs.write_input(record.id, b"", eof=True) == InputTaken(
            accepted_bytes=0, eof=True
        )
        process = await second.execs.process(record.id)
        said = b"".join([chunk.data async for chunk in process.output()]).decode().splitlines()
        for word in "ab":
            own = [line for line in said if line.startswith(word)]
            assert own == [f"{word * 500}{number}" for number in range(lines)]


async def test_input_through_another_host_for_a_command_that_got_all_of_its_own_is_refused_at_once(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
        serving(first),
    ):
        request = ExecRequest(argv=("sh", "-c", "cat; sleep 300"), stdin=b"all of it")
        record = await first.execs.start(CONTAINER_ID, request)
        for host in (first, second):
            details = await refused(host, record.id)
            assert (details["reason"], details["accepted_bytes"]) == ("closed", 0)
        await first.execs.cancel(record.id)
        assert not first.execs.inputs.are_open, "nobody can have more for it"


async def test_a_terminal_goes_on_when_its_host_died_and_the_next_one_types(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        record = await started(
            first, "sh", "-c", "stty -echo; echo up; read a; echo got; read b; echo =$a=$b=", tty=SIZE
        )
        await seen(first, record.id, b"up")
        await first.execs.write_input(record.id, b"one\n")
        await seen(first, record.id, b"got")
    async with open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second:
        second.dead.add("i_first")
        await second.execs.recover(second.container)
        assert await second.execs.write_input(record.id, b"two\n") == InputTaken(accepted_bytes=4)
        await seen(second, record.id, b"=one=two=")


@pytest.mark.parametrize("tty", [SIZE, None])
async def test_the_end_of_the_input_ends_a_reader_and_nothing_can_follow_it(
    host: Host, tty: TerminalSize | None
):
    record = await started(host, *python(ECHO), tty=tty)
    taken = await host.execs.write_input(record.id, b"hello\n", eof=True)
    assert taken == InputTaken(accepted_bytes=6, eof=True)
    assert (await refused(host, record.id))["reason"] in {"closed", "ended"}
    await seen(host, record.id, b"over")
    ended = await host.execs.wait(record.id, wait_s=10)
    assert ended.ending is not None
    assert ended.ending.reason is ExecReason.EXITED
    assert (await refused(host, record.id))["reason"] == "ended"


async def test_a_command_without_an_open_input_refuses_it_by_name(host: Host):
    record = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
    assert (await refused(host, record.id))["reason"] == "no_stdin"
    given = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300"), stdin=b"all"))
    assert (await refused(host, given.id))["reason"] == "closed"


async def test_a_command_that_closed_its_input_says_so_and_how_much_was_taken(host: Host):
    record = await started(host, "sh", "-c", "exec 0<&-; echo closed; sleep 300")
    await seen(host, record.id, b"closed")
    with pytest.raises(InputUnavailable) as raised:  # the agent learns of it when it writes
        await host.execs.write_input(record.id, bytes(1 << 20), wait_s=20)
    assert raised.value.details["reason"] == "closed"
    assert raised.value.details["accepted_bytes"] in range(1, 1 << 20)


async def test_input_that_is_not_read_in_time_is_returned_and_not_dropped(host: Host):
    data = bytes(range(251)) * 12_000
    wait = "import os, sys, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    script = wait + "print(sys.stdin.buffer.read() == bytes(range(251)) * 12_000)"
    record = await started(host, *python(script))
    taken = await host.execs.write_input(record.id, data, wait_s=0.2, eof=True)
    assert 0 < taken.accepted_bytes < len(data)
    assert not taken.eof
    assert (await host.execs.write_input(record.id, b"x", wait_s=0)).accepted_bytes == 0
    await host.execs.start(CONTAINER_ID, ExecRequest(argv=("touch", "go")))
    rest = await host.execs.write_input(record.id, data[taken.accepted_bytes :], wait_s=20, eof=True)
    assert rest == InputTaken(accepted_bytes=len(data) - taken.accepted_bytes, eof=True)
    await seen(host, record.id, b"True")


async def test_writers_take_turns(host: Host):
    record = await started(
        host, *python("import sys\nprint(sorted(set(sys.stdin.read().split())), flush=True)")
    )
    words = [letter * 200_000 + b"\n" for letter in (b"a", b"b", b"c")]
    taken = await asyncio.gather(*(host.execs.write_input(record.id, word, wait_s=20) for word in words))
    assert [each.accepted_bytes for each in taken] == [200_001] * 3
    await host.execs.write_input(record.id, b"", eof=True)
    ended = await host.execs.wait(record.id, wait_s=20)
    assert ended.ending is not None
    assert ended.ending.output_bytes == len(str([word.decode().strip() for word in words])) + 1


async def test_a_reviewer_may_refuse_typing(host: Host):
    record = await started(host, "cat")
    host.veto = Veto(clause="quiet", reason="nobody types here")
    with pytest.raises(Vetoed, match="quiet"):
        await host.execs.write_input(record.id, b"x")
    assert host.requests[-1].operation == "exec.input"


async def test_more_input_than_is_allowed_names_the_limit(local_agent: LocalAgent):
    limits = ExecLimits(stdin_max_bytes=10)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        record = await started(host, "cat")
        with pytest.raises(TooLarge) as raised:
            await host.execs.write_input(record.id, bytes(11))
        assert raised.value.details["setting"] == "execs.stdin_max_bytes"


@pytest.mark.parametrize("size", [(0, 24), (80, 0), (TERMINAL_SIDE_MAX + 1, 24), (80, -1)])
async def test_an_impossible_size_names_its_bound(host: Host, size: tuple[int, int]):
    wrong = TerminalSize(columns=size[0], rows=size[1])
    with pytest.raises(ValidationFailed) as raised:
        await started(host, "true", tty=wrong)
    assert raised.value.details["limit"] == TERMINAL_SIDE_MAX
    record = await started(host, "sleep", "300", tty=SIZE)
    with pytest.raises(ValidationFailed):
        await host.execs.resize(record.id, wrong)


async def test_a_terminal_has_a_time_limit_of_its_own(local_agent: LocalAgent):
    limits = ExecLimits(default_timeout_s=0.2, terminal_timeout_s=1.0, grace_s=0)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        ended = [
            await host.execs.wait((await started(host, "sleep", "300", tty=tty)).id, wait_s=20)
            for tty in (None, SIZE)
        ]
        walls = [each.ending.usage.wall_s for each in ended if each.ending and each.ending.usage]
        assert [each.ending.reason for each in ended if each.ending] == [ExecReason.TIMED_OUT] * 2
        assert walls[0] < 1.0 <= walls[1]


async def test_what_has_no_terminal_cannot_be_resized(host: Host):
    record = await started(host, "sleep", "300")
    with pytest.raises(ValidationFailed, match="has no terminal"):
        await host.execs.resize(record.id, SIZE)
