"""The side stream: a leader's own way to its host, which what it starts cannot use."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import time
from pathlib import Path

import pytest

from agent_process import wait_until
from agent_wire import (
    EXITED,
    INHERIT_ENV,
    REFUSED,
    SIDE_INPUT,
    SIDE_STREAM,
    SIGNAL,
    STDIN_STREAM,
    Channel,
    Run,
)

SIDE = INHERIT_ENV | SIDE_STREAM
NOT_OWNER, TOO_MANY, INVALID = 5, 3, 4
SCOPE_RUN, SCOPE_RUN_JOBS = 4, 5


def shell(host: Channel, script: str, handle: int = 1, flags: int = SIDE) -> Run:
    return host.start(handle, ["sh", "-c", script], flags=flags)


def refusal(host: Channel, handle: int) -> tuple[int, int]:
    """The type that was refused, and why."""
    while True:
        for got in host.waiting:
            if got.type == REFUSED and got.id == handle:
                host.waiting.remove(got)
                return got.fields.u8(), struct.unpack(">BH", got.payload[:3])[1]
        host.waiting.append(host.receive())


def test_the_agent_says_that_it_knows_the_side_stream(host: Channel):
    assert "side" in host.features


def test_what_the_leader_reads_and_writes_beside_its_standard_streams_is_the_hosts(host: Channel):
    run = shell(host, 'read -r x <&3; echo "out $x"; echo "side $x" >&3')
    host.side_input(run, 0, b"hello\n")
    host.finish(run)
    assert (bytes(run.stdout), bytes(run.side)) == (b"out hello\n", b"side hello\n")


def test_everything_written_before_a_report_comes_before_it_and_what_comes_after_it_after(host: Channel):
    script = (
        "i=0; while [ $i -lt 500 ]; do echo out$i; echo err$i >&2; echo side$i >&3; read -r x <&3;"
        " i=$((i+1)); done"
    )
    run = shell(host, script)
    sent = 0
    for i in range(500):
        host.pump(lambda: run.side.endswith(b"side%d\n" % i))  # noqa: B023 (used at once)
        assert run.stdout.endswith(b"out%d\n" % i)
        assert run.stderr.endswith(b"err%d\n" % i)
        host.side_input(run, sent, b"go\n")
        sent += 3
    host.finish(run)


def test_a_mebibyte_before_a_report_comes_before_it(host: Channel):
    run = shell(host, "head -c 1048576 /dev/zero; echo done >&3; echo more; read -r x <&3")
    host.pump(lambda: run.side)
    assert b"".join(data for number, data in run.pieces if number == 1).startswith(bytes(1 << 20))
    host.side_input(run, 0, b"\n")
    host.finish(run)


def test_the_noise_of_a_background_process_does_not_hold_a_report_up(host: Channel):
    run = shell(host, "yes & echo here >&3; read -r x <&3; kill $!; wait $! 2>/dev/null; exit 3")
    host.pump(lambda: run.side, within_s=10)
    host.side_input(run, 0, b"\n")
    assert host.finish(run).exit_code == 3


def test_a_report_waits_while_the_spool_is_full_and_then_comes(host: Channel):
    host.auto_ack = False
    run = host.start(
        1,
        ["sh", "-c", "head -c 200000 /dev/zero; echo done >&3"],
        flags=SIDE,
        spool_bytes=65536,
    )
    host.pump(lambda: len(run.stdout) == 65536)
    assert not run.side
    host.auto_ack = True
    host.send(0x19, 1, struct.pack(">Q", run.next))
    host.finish(run)
    assert (len(run.stdout), bytes(run.side)) == (200_000, b"done\n")


def test_a_command_without_the_flag_has_no_further_descriptor(host: Channel):
    run = host.run(1, ["sh", "-c", "ls /proc/self/fd | wc -l; echo x >&3"])
    assert (run.stdout.strip(), bytes(run.side)) == (b"4", b"")  # 0-2 and that of ls itself


@pytest.mark.parametrize("times", [6])
def test_keepers_that_are_used_again_hand_over_the_side_stream_and_nothing_else(host: Channel, times: int):
    for handle in range(1, times + 1):
        run = shell(host, "ls -x /proc/$$/fd; echo $$ >&3", handle)
        host.finish(run)
        assert run.stdout.split() == [b"0", b"1", b"2", b"3"]
        assert bytes(run.side) == b"%d\n" % run.pid
        plain = host.run(100 + handle, ["sh", "-c", "ls -x /proc/$$/fd"])
        assert plain.stdout.split() == [b"0", b"1", b"2"]


def test_no_other_process_can_open_the_side_stream(host: Channel):
    run = shell(host, "sh -c 'echo forged >/proc/$PPID/fd/3' 3>&- 2>/dev/null; echo $?; echo true >&3")
    host.finish(run)
    assert run.stdout.strip() != b"0"
    assert bytes(run.side) == b"true\n"


def test_input_by_offset_is_taken_once(host: Channel):
    run = shell(host, 'read -r a <&3; echo "$a"; read -r b <&3; echo "$b"')
    host.side_input(run, 0, b"one\n")
    host.pump(lambda: bytes(run.stdout) == b"one\n")
    host.side_input(run, 0, b"one\n")
    host.side_input(run, 4, b"two\n")
    host.finish(run)
    assert bytes(run.stdout) == b"one\ntwo\n"


def test_what_does_not_fit_is_refused_and_changes_nothing(host: Channel):
    run = shell(host, "read -r g; read -r a <&3; echo $a; read -r b <&3; echo $b", flags=SIDE | STDIN_STREAM)
    host.side_input(run, 0, b"one\n")
    host.side_input(run, 4, b"two\n")
    assert refusal(host, 1) == (SIDE_INPUT, TOO_MANY)
    host.side_input(run, 9, b"hole\n")
    assert refusal(host, 1) == (SIDE_INPUT, INVALID)
    host.side_input(run, 0, b"one\ntwo\n")
    assert refusal(host, 1) == (SIDE_INPUT, INVALID)
    host.stdin(run, 0, b"\n")
    host.pump(lambda: bytes(run.stdout) == b"one\n")
    host.side_input(run, 4, b"two\n")
    host.finish(run)
    assert bytes(run.stdout) == b"one\ntwo\n"


def test_input_for_a_command_without_a_side_stream_is_refused(host: Channel):
    run = host.start(1, ["sleep", "60"])
    host.side_input(run, 0, b"x")
    assert refusal(host, 1) == (SIDE_INPUT, INVALID)
    host.cancel(1)
    host.finish(run)


def test_input_after_the_leader_closed_its_end_is_refused_and_never_dropped_in_silence(host: Channel):
    run = shell(host, "exec 3<&-; echo closed; read -r x; exit 5", flags=SIDE | STDIN_STREAM)
    host.pump(lambda: bytes(run.stdout) == b"closed\n")
    host.side_input(run, 0, b"nobody\n")
    assert refusal(host, 1) == (SIDE_INPUT, TOO_MANY)
    host.side_input(run, 0, b"nobody\n")
    assert refusal(host, 1) == (SIDE_INPUT, TOO_MANY)
    host.stdin(run, 0, b"\n")
    assert host.finish(run).exit_code == 5


def test_input_that_crosses_the_ending_changes_nothing_of_it(host: Channel):
    host.auto_ack = False
    run = shell(host, "echo bye >&3; exit 6")
    host.pump(lambda: run.ending is not None)
    host.side_input(run, 0, b"late\n")
    assert refusal(host, 1) == (SIDE_INPUT, TOO_MANY)
    assert host.finish(run).exit_code == 6


def test_a_full_frame_of_input_arrives_whole(host: Channel):
    run = shell(host, "head -c 65536 <&3 | sha256sum")
    data = os.urandom(65536)
    host.side_input(run, 0, data)
    host.finish(run)
    assert run.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_the_end_of_the_leader_ends_the_side_stream_although_others_hold_it(host: Channel):
    run = shell(host, "sleep 60 & echo last >&3; exit 5")
    ending = host.finish(run, ack=False)
    assert (ending.reason, ending.exit_code, bytes(run.side)) == (EXITED, 5, b"last\n")
    host.cancel(1)


def test_a_signal_to_the_run_reaches_what_is_new_and_no_background_job(host: Channel):
    script = (
        "trap 'echo caught' INT; sleep 61 & echo $! >&3; read -r x <&3;"
        " sleep 62 & echo $! >&3; sleep 63; echo next; sleep 64; echo end; read -r x <&3; exit 9"
    )
    run = shell(host, script)
    host.pump(lambda: run.side.count(b"\n") == 1)
    wait_until(lambda: _ticks_now() > _began(int(run.side)), "the next tick of the clock")
    host.side_input(run, 0, b"\n")
    host.pump(lambda: run.side.count(b"\n") == 2)
    before, during = (int(line) for line in run.side.split())
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    wait_until(lambda: _runs(children, "63"), "the foreground program")
    host.send(SIGNAL, 1, bytes([signal.SIGINT, SCOPE_RUN]))
    host.pump(lambda: b"caught\nnext\n" in run.stdout)
    wait_until(lambda: _runs(children, "64"), "the next one")
    host.send(SIGNAL, 1, bytes([signal.SIGKILL, SCOPE_RUN]))
    host.pump(lambda: b"end\n" in run.stdout)
    assert {str(before), str(during)} <= set(children.read_text().split())
    host.send(SIGNAL, 1, bytes([signal.SIGKILL, SCOPE_RUN_JOBS]))
    wait_until(
        lambda: str(during) not in children.read_text().split() or _is_dead(during), "the new job's end"
    )
    assert not _is_dead(before)
    host.cancel(1)
    host.finish(run)


def _runs(children: Path, seconds: str) -> bool:
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.read_text().split()]
    return f"sleep\0{seconds}\0".encode() in lines


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _is_dead(pid: int) -> bool:
    return _stat(pid)[0] == "Z"


def _began(pid: int) -> int:
    return int(_stat(pid)[19])


def _ticks_now() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
