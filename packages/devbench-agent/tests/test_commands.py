from __future__ import annotations

import hashlib
import os
import signal
import struct
from pathlib import Path

import pytest

from agent_process import Agent, wait_until
from agent_wire import ENDED_ACK, EXITED, INHERIT_ENV, LIST, SIGNALED, STDIN_STREAM, Channel

SPARE_KEEPERS = 4
NOT_FOUND, NOT_EXECUTABLE, BAD_DIRECTORY, TOO_LONG = 1, 2, 3, 4


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_exact(host: Channel, code: int):
    ending = host.finish(host.start(1, ["sh", "-c", f"exit {code}"]))
    assert (ending.reason, ending.exit_code, ending.signal) == (EXITED, code, 0)


@pytest.mark.parametrize("number", [1, 6, 9, 11, 15])
def test_a_signal_is_told_apart_from_an_exit(host: Channel, number: int):
    ending = host.finish(host.start(1, ["sh", "-c", f"kill -{number} $$"]))
    assert (ending.reason, ending.exit_code, ending.signal) == (SIGNALED, None, number)


def test_stdout_and_stderr_are_separate_and_in_the_order_of_writing(host: Channel):
    run = host.run(1, ["sh", "-c", "echo a; echo b >&2"])
    assert (bytes(run.stdout), bytes(run.stderr)) == (b"a\n", b"b\n")


def test_ten_mebibytes_on_each_stream_arrive_byte_by_byte(host: Channel):
    script = (
        "import os,threading,random\n"
        "def w(fd,seed):\n"
        " d=random.Random(seed).randbytes(10<<20)\n"
        " while d: d=d[os.write(fd,d):]\n"
        "t=[threading.Thread(target=w,args=a) for a in ((1,1),(2,2))]\n"
        "[x.start() for x in t];[x.join() for x in t]"
    )
    run = host.run(1, ["python3", "-c", script])
    import random

    for stream, seed in ((run.stdout, 1), (run.stderr, 2)):
        wanted = random.Random(seed).randbytes(10 << 20)  # noqa: S311 (a test pattern)
        assert hashlib.sha256(stream).digest() == hashlib.sha256(wanted).digest()


def test_arguments_arrive_unchanged(host: Channel):
    odd = ["", " ", "a b", "$HOME", "*", "'\"", "\n", "ünï", b"\xff\xfe"]
    run = host.run(1, ["python3", "-c", "import sys,os; print([os.fsencode(a) for a in sys.argv[1:]])", *odd])
    assert eval(run.stdout) == [a if isinstance(a, bytes) else a.encode() for a in odd]  # noqa: S307 (our own output)


def test_the_environment_is_exactly_what_was_given(host: Channel):
    run = host.start(1, ["/usr/bin/env"], env=["A=1", "B=x=y", "A=2", "EMPTY="], flags=0)
    host.finish(run)
    assert sorted(bytes(run.stdout).split()) == [b"A=2", b"B=x=y", b"EMPTY="]


def test_the_agents_environment_lies_under_it_when_asked(host: Channel):
    run = host.start(1, ["/usr/bin/env"], env=["HOME=/elsewhere"], flags=INHERIT_ENV)
    host.finish(run)
    lines = bytes(run.stdout).splitlines()
    assert b"HOME=/elsewhere" in lines
    assert os.fsencode(f"PATH={os.environ['PATH']}") in lines
    assert len([line for line in lines if line.startswith(b"HOME=")]) == 1


def test_the_program_is_looked_up_in_the_commands_own_path(host: Channel, tmp_path: Path):
    (tmp_path / "hello").write_text("#!/bin/sh\necho mine")
    (tmp_path / "hello").chmod(0o755)
    assert bytes(host.run(1, ["hello"], env=[f"PATH=/nowhere:{tmp_path}"]).stdout) == b"mine\n"


def test_the_working_directory_is_set(host: Channel, agent: Agent, tmp_path: Path):
    (agent.workspace / "sub").mkdir()
    assert bytes(host.run(1, ["pwd"], cwd=str(tmp_path)).stdout).strip() == os.fsencode(tmp_path)
    assert bytes(host.run(2, ["pwd"], cwd="sub").stdout).strip() == os.fsencode(agent.workspace / "sub")


def test_each_way_of_not_starting_has_its_name(host: Channel, tmp_path: Path):
    plain = tmp_path / "plain"
    plain.write_text("no program")
    plain.chmod(0o644)
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("no program")
    nonsense.chmod(0o755)
    orphan = tmp_path / "orphan"
    orphan.write_text("#!/no/such/interpreter\n")
    orphan.chmod(0o755)
    cases = [
        ("no-such-program", "", NOT_FOUND),
        ("/no/such/program", "", NOT_FOUND),
        (str(orphan), "", NOT_FOUND),
        (str(plain), "", NOT_EXECUTABLE),
        (str(nonsense), "", NOT_EXECUTABLE),
        (str(tmp_path), "", NOT_EXECUTABLE),
        ("true", "/no/such/folder", BAD_DIRECTORY),
        ("true", str(plain), BAD_DIRECTORY),
        ("x" * 5000, "", TOO_LONG),
    ]
    for handle, (program, cwd, code) in enumerate(cases, 1):
        run = host.start(handle, [program], cwd=cwd)
        assert run.failed, program
        assert run.failed[0] == code, program
        host.send(ENDED_ACK, handle)
    assert host.list() == {}


def test_an_argument_beyond_the_kernels_limit_is_too_long(host: Channel):
    run = host.start(1, ["true", "x" * 200_000])
    assert run.failed == (TOO_LONG, 7)


def test_a_mebibyte_of_arguments_works(host: Channel):
    args = ["y" * 100_000] * 10
    run = host.run(1, ["sh", "-c", 'printf %s "$*" | wc -c', "sh", *args])
    assert int(run.stdout) == 1_000_009


def test_standard_input_reaches_the_command_and_ends(host: Channel):
    run = host.start(1, ["cat"], flags=INHERIT_ENV | STDIN_STREAM)
    host.stdin(run, 0, b"hello ")
    host.stdin(run, 6, b"world")
    host.stdin_eof(run, 11)
    host.finish(run)
    assert bytes(run.stdout) == b"hello world"


def test_a_large_input_flows_by_credit(host: Channel):
    data = os.urandom(3 << 20)
    run = host.start(1, ["cat"], flags=INHERIT_ENV | STDIN_STREAM)
    sent = 0
    while sent < len(data):
        host.pump(lambda sent=sent: sent < run.stdin_limit)
        part = data[sent : min(run.stdin_limit, sent + 65536)]
        host.stdin(run, sent, part)
        sent += len(part)
    host.stdin_eof(run, sent)
    host.finish(run)
    assert bytes(run.stdout) == data


def test_input_for_a_command_that_does_not_read_waits_in_a_bounded_buffer(host: Channel):
    run = host.start(1, ["sleep", "100"], flags=INHERIT_ENV | STDIN_STREAM)
    host.stdin(run, 0, b"x" * 65536)  # into the pipe
    host.pump(lambda: run.stdin_limit == 131072)
    host.stdin(run, 65536, b"x" * 65536)  # into the agent
    with pytest.raises(TimeoutError):
        host.pump(lambda: run.stdin_limit > 131072, within_s=0.2)


def test_input_for_a_command_that_closed_it_is_discarded(host: Channel):
    run = host.start(1, ["sh", "-c", "exec <&-; echo closed; sleep 0.3"], flags=INHERIT_ENV | STDIN_STREAM)
    host.pump(lambda: run.stdout)
    host.stdin(run, 0, b"x" * 1000)
    host.pump(lambda: run.stdin_closed)
    host.stdin(run, 1000, b"y" * 60000)
    assert host.finish(run).exit_code == 0


def test_without_a_stream_the_input_is_empty(host: Channel):
    assert host.finish(host.start(1, ["cat"])).exit_code == 0


def test_input_that_is_repeated_after_a_reconnection_is_taken_once(host: Channel):
    run = host.start(1, ["cat"], flags=INHERIT_ENV | STDIN_STREAM)
    host.stdin(run, 0, b"abc")
    host.stdin(run, 0, b"abcdef")
    host.stdin_eof(run, 6)
    host.finish(run)
    assert bytes(run.stdout) == b"abcdef"


def test_a_command_has_a_session_clean_signals_and_no_strange_descriptors(host: Channel):
    script = (
        "import os,signal\n"
        "print(os.getsid(0)==os.getpid(), sorted(int(f) for f in os.listdir('/proc/self/fd') if int(f)<64)[:3],"
        "len(os.listdir('/proc/self/fd'))<=4, signal.pthread_sigmask(signal.SIG_BLOCK,[])==set(),"
        "signal.getsignal(signal.SIGTERM)==signal.SIG_DFL)"
    )
    assert bytes(host.run(1, ["python3", "-c", script]).stdout) == b"True [0, 1, 2] True True True\n"


def test_a_command_is_first_to_go_when_memory_is_short(host: Channel, agent: Agent):
    own = int(Path(f"/proc/{agent.pid}/oom_score_adj").read_text())
    run = host.run(1, ["cat", "/proc/self/oom_score_adj"])
    assert int(run.stdout) == min(own + 500, 1000)
    assert int(Path(f"/proc/{agent.pid}/oom_score_adj").read_text()) == own


def test_limits_are_set_for_the_command_only(host: Channel):
    run = host.start(1, ["sh", "-c", "ulimit -n; ulimit -c; nice"], nofile=77, core=0, nice=5)
    host.finish(run)
    assert bytes(run.stdout).split() == [b"77", b"0", b"5"]
    before = bytes(host.run(2, ["sh", "-c", "ulimit -n; nice"]).stdout).split()
    assert before[0] != b"77"
    assert before[1] == b"0"


def test_usage_is_that_of_the_whole_tree(host: Channel):
    ending = host.finish(host.start(1, ["sh", "-c", "python3 -c 'for i in range(3000000): pass'; true"]))
    assert 20_000 < ending.user_us + ending.system_us < 20_000_000
    assert ending.max_rss_bytes > 4 << 20
    assert ending.wall_us >= ending.user_us // 2


def test_usage_counts_changes_of_context_and_what_the_kernel_tells_of_disks(host: Channel):
    ending = host.finish(host.start(1, ["sh", "-c", "sleep 0.01; sleep 0.01; sleep 0.01"]))
    assert ending.voluntary_switches >= 3
    told = ending.read_bytes != 2**64 - 1
    assert told == Path("/proc/self/io").exists()
    assert told == (ending.written_bytes != 2**64 - 1)


def test_usage_is_that_of_one_command_also_when_its_keeper_had_another_before(host: Channel, agent: Agent):
    burn = "python3 -c 'x = bytearray(40 << 20)\nfor i in range(2000000): pass'"
    first = host.finish(host.start(1, ["sh", "-c", burn]))
    keepers = agent.children()
    second = host.finish(host.start(2, ["true"]))
    assert agent.children() == keepers  # the same one
    assert first.user_us + first.system_us > 20_000
    assert second.user_us + second.system_us < 20_000
    assert second.max_rss_bytes < 30 << 20 < first.max_rss_bytes


def test_a_command_after_another_finds_nothing_of_it(host: Channel):
    def seen(handle: int) -> bytes:
        script = "ulimit -n; ulimit -c; nice; pwd; env | sort; ls /proc/self/fd | wc -l; echo $PPID"
        return bytes(host.run(handle, ["sh", "-c", script], env=["PATH=/usr/bin:/bin"]).stdout)

    before = seen(1)
    host.finish(host.start(2, ["sh", "-c", "ulimit -n 20; cd /; nice"], nofile=30, core=0, nice=7))
    assert seen(3) == before


@pytest.mark.parametrize(
    "order",
    [
        "prlimit --pid $PPID --nofile=50:50",
        "prlimit --pid $PPID --core=0:0",
        "renice -n 15 -p $PPID >/dev/null",
        "taskset -cp 0 $PPID >/dev/null",
        "ionice -c3 -p $PPID",
    ],
)
def test_what_a_command_does_to_its_keeper_does_not_reach_the_next(host: Channel, order: str):
    look = "ulimit -Ha; ulimit -Sa; nice; taskset -cp $$ | sed s/.*://; ionice -p $$"
    before = bytes(host.run(1, ["sh", "-c", look]).stdout)
    assert host.finish(host.start(2, ["sh", "-c", order])).exit_code == 0
    assert bytes(host.run(3, ["sh", "-c", look]).stdout) == before


def test_a_keeper_that_waits_and_is_killed_is_replaced(host: Channel, agent: Agent):
    host.run(1, ["true"])
    (spare,) = agent.children()
    os.kill(spare, signal.SIGKILL)
    wait_until(lambda: spare not in agent.children(), "the killed keeper reaped")
    assert host.finish(host.start(2, ["true"])).exit_code == 0


def test_a_keeper_that_waits_and_is_stopped_goes_on(host: Channel, agent: Agent):
    host.run(1, ["true"])
    (spare,) = agent.children()
    os.kill(spare, signal.SIGSTOP)
    assert host.finish(host.start(2, ["true"])).exit_code == 0


def test_a_program_that_cannot_be_executed_leaves_its_keeper_to_the_next(host: Channel, agent: Agent):
    host.run(1, ["true"])
    keepers = agent.children()
    assert host.start(2, ["/no/such/program"]).failed is not None
    assert host.finish(host.start(3, ["true"])).exit_code == 0
    assert agent.children() == keepers


def test_arguments_too_large_to_hand_over_get_a_keeper_of_their_own(host: Channel):
    host.run(1, ["true"])
    large = "x" * 100_000
    assert bytes(host.run(2, ["printf", "%s", large]).stdout) == large.encode()
    assert bytes(host.run(3, ["printf", "%s", "small"]).stdout) == b"small"


def test_list_names_what_there_is(host: Channel):
    host.start(1, ["sleep", "100"], key="one")
    two = host.start(2, ["true"], key="two")
    host.finish(two, ack=False)
    found = host.list()
    assert (found[1][0], found[1][4]) == (1, "one")
    assert (found[2][0], found[2][4]) == (2, "two")
    host.send(ENDED_ACK, 2)
    assert set(host.list()) == {1}


def test_a_handle_in_use_is_refused_and_nothing_happens(host: Channel):
    run = host.start(1, ["sleep", "100"])
    host.start(1, ["true"], wait=False)
    again = host.runs[1]
    host.pump(lambda: again.refused)
    assert again.refused == 1
    assert host.list()[1][1] == run.pid


@pytest.mark.parametrize(
    ("argv", "env", "flags"),
    [([""], [], 0), (["true"], ["NOVALUE"], 0), (["true"], ["=x"], 0), (["true"], [], 64)],
)
def test_odd_values_are_refused_as_invalid(host: Channel, argv: list[str], env: list[str], flags: int):
    assert host.start(1, argv, env=env, flags=flags).refused == 4
    assert host.list() == {}


def test_sixty_four_commands_run_at_once_and_one_more_is_refused(host: Channel):
    for handle in range(1, 65):
        host.start(handle, ["sleep", "100"])
    assert host.start(65, ["true"]).refused == 3
    for handle in range(1, 65):
        host.cancel(handle)
        host.finish(host.runs[handle])
    host.run(66, ["true"])


def test_a_thousand_commands_leave_nothing_behind(host: Channel, agent: Agent):
    host.run(1, ["true"])
    descriptors = agent.descriptors()
    for handle in range(2, 1002):
        host.start(handle, ["/bin/true"], wait=False)
        if handle % 50 == 1:
            for earlier in range(handle - 49, handle + 1):
                host.finish(host.runs[earlier])
    assert host.list() == {}
    wait_until(lambda: len(agent.children()) <= SPARE_KEEPERS, "no keepers but the spare ones")
    assert agent.descriptors() < descriptors + SPARE_KEEPERS  # one was there before


def test_signals_reach_the_tree_the_group_or_the_leader(host: Channel):
    script = (
        'trap "echo leader" USR1; (trap "echo child" USR1; echo up; while :; do sleep 0.05; done) & '
        "echo up; while :; do sleep 0.05; done"
    )
    for handle, (scope, wanted) in enumerate([(1, 2), (2, 2), (3, 1)], 1):
        run = host.start(handle, ["sh", "-c", script])
        host.pump(lambda run=run: run.stdout.count(b"up") == 2)
        # Only a shell knows USR1 here: sleeping children die of it, which the loops outlive.
        host.send(0x20, handle, struct.pack(">BB", 10, scope))
        host.pump(
            lambda run=run, wanted=wanted: run.stdout.count(b"leader") + run.stdout.count(b"child") == wanted
        )
        host.cancel(handle)
        host.finish(run)


def test_unknown_execs_are_refused_by_name(host: Channel):
    host.send(LIST, 5)
    assert host.reply(5).payload == b"\1\0\0"
    for kind, payload in ((0x1C, bytes(16)), (0x1F, bytes(4)), (0x20, b"\x09\x01")):
        host.send(kind, 99, payload)
        f = host.receive().fields
        assert (f.u8(), f.u16()) == (kind, 2)


def test_a_command_is_said_to_have_started_before_its_output_comes(host: Channel):
    for handle in range(1, 31):
        run = host.start(handle, ["printf", "x"])  # returns at STARTED
        assert run.next == 0
        host.finish(run)
        assert bytes(run.stdout) == b"x"


def test_a_command_that_goes_on_in_silence_is_said_to_have_started(host: Channel):
    run = host.start(1, ["sleep", "300"], wait=False)
    host.pump(lambda: run.started)
    assert not run.ending
