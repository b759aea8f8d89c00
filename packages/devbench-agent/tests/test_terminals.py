"""Commands at a terminal: what the kernel does for a person at a keyboard, it does here."""

from __future__ import annotations

import hashlib
import random
import signal
import struct
from pathlib import Path

import pytest

from agent_process import DEADLINE_S, Agent, StartAgent, wait_until
from agent_wire import (
    CANCELLED,
    ENDED_ACK,
    EXITED,
    INHERIT_ENV,
    RESIZE,
    SIGNALED,
    STDIN_STREAM,
    TERMINAL,
    Channel,
    Run,
)

NO_TERMINAL = 7
REFUSED_INVALID, REFUSED_NOT_FOUND = 4, 2
GRACE_MS = 60_000
SHELL = ["bash", "--norc", "--noprofile", "-i"]
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


class Typist:
    """Types at a command's terminal and waits for what it shows."""

    def __init__(self, host: Channel, run: Run) -> None:
        self.host, self.run, self.typed = host, run, 0

    def types(self, keys: bytes) -> None:
        self.host.stdin(self.run, self.typed, keys)
        self.typed += len(keys)

    def ends(self) -> None:
        self.host.stdin_eof(self.run, self.typed)

    def sees(self, words: bytes) -> None:
        """Wait for words, and forget what was shown up to them."""
        self.host.pump(lambda: words in self.run.stdout)
        del self.run.stdout[: self.run.stdout.index(words) + len(words)]


def at_terminal(host: Channel, handle: int, argv: list[str], size: tuple[int, int] = (80, 24)) -> Typist:
    run = host.terminal(handle, argv, size=size)
    assert run.started, run
    return Typist(host, run)


def test_the_three_streams_are_a_terminal_of_the_size_that_was_asked_for(host: Channel):
    script = "test -t 0 && test -t 1 && test -t 2 && stty size && echo own >/dev/tty && echo err >&2"
    run = host.terminal(1, ["sh", "-c", script], size=(132, 50))
    assert host.finish(run).exit_code == 0
    assert bytes(run.stdout) == b"50 132\r\nown\r\nerr\r\n"
    assert bytes(run.stderr) == b""


def test_a_resize_is_told_to_the_foreground_processes(host: Channel):
    typist = at_terminal(host, 1, ["python3", "-c", HEARS_RESIZES])
    typist.sees(b"80 24\r\n")
    host.resize(1, 100, 30)
    typist.sees(b"100 30\r\n")
    host.resize(1, 65_535, 1)
    typist.sees(b"65535 1\r\n")


def test_ctrl_c_interrupts_what_runs_in_the_foreground_and_not_the_shell(host: Channel):
    typist = at_terminal(host, 1, SHELL)
    typist.sees(b"ready$ ")
    typist.types(b"sh -c 'echo go\"\"ing; exec sleep 1000'\n")
    typist.sees(b"going\r\n")
    typist.types(b"\x03")
    typist.sees(b"ready$ ")
    typist.types(b"echo $((40+2))\n")
    typist.sees(b"\r\n42\r\n")


def test_ctrl_d_leaves_the_shell(host: Channel):
    typist = at_terminal(host, 1, SHELL)
    typist.sees(b"ready$ ")
    typist.types(b"(exit 7)\n")
    typist.sees(b"ready$ ")
    typist.types(b"\x04")
    ending = host.finish(typist.run)
    assert (ending.reason, ending.exit_code) == (EXITED, 7)


def test_jobs_are_stopped_listed_and_brought_back(host: Channel):
    typist = at_terminal(host, 1, SHELL)
    typist.sees(b"ready$ ")
    typist.types(b"sleep 1000 & jobs\n")
    typist.sees(b"[1]+  Running")
    typist.sees(b"ready$ ")
    typist.types(b"sh -c 'echo u\"\"p; exec cat'\n")
    typist.sees(b"up\r\n")
    typist.types(b"hello\n")
    typist.sees(b"hello\r\n")  # the terminal's echo
    typist.sees(b"hello\r\n")  # the program that has it
    typist.types(b"\x1a")
    typist.sees(b"[2]+  Stopped")
    typist.sees(b"ready$ ")
    typist.types(b"fg\n")
    typist.sees(b"exec cat'\r\n")
    typist.types(b"again\n")
    typist.sees(b"again\r\n")
    typist.sees(b"again\r\n")
    typist.types(b"\x03")
    typist.sees(b"ready$ ")
    typist.types(b"kill %1; wait; exit 3\n")
    assert host.finish(typist.run).exit_code == 3


@pytest.mark.parametrize("typed", [b"", b"a line\n", b"begun"])
def test_the_end_of_the_input_is_typed_as_a_person_would(host: Channel, typed: bytes):
    typist = at_terminal(host, 1, ["sh", "-c", "stty -echo; echo up; cat; echo over"])
    typist.sees(b"up\r\n")
    if typed:
        typist.types(typed)
    typist.ends()
    assert host.finish(typist.run).exit_code == 0
    assert bytes(typist.run.stdout) == typed.replace(b"\n", b"\r\n") + b"over\r\n"
    assert typist.run.stdin_closed


def test_the_end_of_the_input_is_the_character_that_the_terminal_has_for_it(host: Channel):
    typist = at_terminal(host, 1, ["sh", "-c", "stty -echo eof ^G; echo up; cat"])
    typist.sees(b"up\r\n")
    typist.ends()
    assert host.finish(typist.run).exit_code == 0


def test_a_terminal_in_raw_mode_is_clean_for_all_bytes_both_ways(host: Channel):
    size = 1 << 20
    data = random.Random(1).randbytes(size)  # noqa: S311 (a test pattern)
    script = f"stty raw -echo; echo up; head -c {size} | tee /dev/tty | sha256sum >&2"
    typist = at_terminal(host, 1, ["sh", "-c", script])
    typist.sees(b"up\n")
    run = typist.run
    for start in range(0, size, 16_384):
        host.pump(lambda start=start: run.stdin_limit >= start + 16_384)
        typist.types(data[start : start + 16_384])
    assert host.finish(run).exit_code == 0
    assert bytes(run.stdout[:size]) == data
    assert bytes(run.stdout[size:]).split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_program_that_does_not_read_holds_the_typist_back_and_nothing_else(host: Channel):
    typist = at_terminal(host, 1, ["sh", "-c", "stty raw -echo; echo up; exec sleep 1000"])
    typist.sees(b"up\n")
    for _ in range(4):
        typist.types(bytes(16_384))
    assert host.finish(host.start(2, ["true"])).exit_code == 0
    host.cancel(1)
    assert host.finish(typist.run).reason == CANCELLED


def test_what_was_written_before_the_end_arrives_whole(host: Channel):
    for handle in range(1, 31):
        run = host.terminal(handle, ["sh", "-c", "stty raw; head -c 100000 /dev/zero; printf last"])
        assert host.finish(run).exit_code == 0
        assert len(run.stdout) == 100_004
        assert run.stdout.endswith(b"last")


def test_the_foreground_hears_the_hang_up_when_the_shell_ends(host: Channel, agent: Agent):
    script = "trap 'echo >heard; exit' HUP; echo u''p; while :; do sleep 0.05; done"
    typist = at_terminal(host, 1, SHELL)
    typist.sees(b"ready$ ")
    typist.types(b'sh -c "' + script.encode() + b'"\n')
    typist.sees(b"up\r\n")
    host.send(0x20, 1, struct.pack(">BB", signal.SIGKILL, 3))
    ending = host.finish(typist.run)
    assert (ending.reason, ending.signal) == (SIGNALED, signal.SIGKILL)
    wait_until((agent.workspace / "heard").exists, "the foreground's trap")


def test_who_outlives_the_shell_has_no_terminal_any_more(host: Channel, agent: Agent):
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "if os.fork(): os._exit(0)\n"
        "while True:\n"
        "  try: os.write(1, b'.')\n"
        "  except OSError as error: open('heard', 'w').write(str(error.errno)); break\n"
        "  time.sleep(0.01)\n"
    )
    run = host.terminal(1, ["python3", "-c", script])
    ending = host.finish(run)
    assert (ending.reason, ending.exit_code) == (EXITED, 0)
    heard = agent.workspace / "heard"
    wait_until(lambda: heard.exists() and heard.read_text() == "5", "EIO")


def test_a_cancel_hangs_up_a_shell_that_ignores_term(host: Channel):
    typist = at_terminal(host, 1, SHELL)
    typist.sees(b"ready$ ")
    host.cancel(1, GRACE_MS)
    ending = host.finish(typist.run, within_s=DEADLINE_S)
    assert (ending.reason, ending.signal) == (CANCELLED, signal.SIGHUP)
    assert ending.wall_us < GRACE_MS * 1000


def test_a_terminal_outlives_the_channel_and_is_there_for_the_next(agent: Agent):
    with agent.host() as first:
        typist = at_terminal(first, 1, SHELL)
        typist.sees(b"ready$ ")
    with agent.host() as second:
        run = second.resume(1)
        assert run.resumed
        again = Typist(second, run)
        again.types(b"stty size\n")
        again.sees(b"\r\n24 80\r\n")
        second.resize(1, 90, 20)
        again.types(b"stty size\n")
        again.sees(b"\r\n20 90\r\n")


def test_without_a_pts_the_failure_names_it_and_other_commands_run(start_agent: StartAgent):
    with start_agent(pts=False).host() as host:
        run = host.terminal(1, ["true"])
        assert run.failed
        assert run.failed[0] == NO_TERMINAL
        host.send(ENDED_ACK, 1)
        assert host.finish(host.start(2, ["true"])).exit_code == 0


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        (TERMINAL | STDIN_STREAM, (0, 24)),
        (TERMINAL | STDIN_STREAM, (80, 0)),
        (TERMINAL, (80, 24)),
        (STDIN_STREAM, (80, 24)),
    ],
)
def test_a_terminal_without_a_size_or_an_input_is_invalid(host: Channel, flags: int, size: tuple[int, int]):
    assert host.start(1, ["true"], flags=INHERIT_ENV | flags, size=size).refused == REFUSED_INVALID


def test_a_resize_that_makes_no_sense_is_refused_and_changes_nothing(host: Channel):
    typist = at_terminal(host, 1, ["sh", "-c", "echo up; read x; stty size"])
    typist.sees(b"up\r\n")
    plain = host.start(2, ["sleep", "1000"])
    for handle, size, code in ((9, (1, 1), REFUSED_NOT_FOUND), (2, (1, 1), REFUSED_INVALID)):
        host.resize(handle, *size)
        host.pump(lambda: host.waiting or plain.refused)
        refused = plain.refused or _refusal(host)
        assert refused == code
    host.resize(1, 0, 5)
    host.pump(lambda: typist.run.refused)
    assert typist.run.refused == REFUSED_INVALID
    typist.run.refused = 0
    typist.types(b"\n")
    typist.sees(b"24 80\r\n")


def _refusal(host: Channel) -> int:
    f = host.waiting.popleft().fields
    assert f.u8() == RESIZE
    return f.u16()


def test_terminals_leave_neither_descriptors_nor_devices_behind(host: Channel, agent: Agent):
    host.run(1, ["true"])
    host.finish(host.terminal(2, ["true"]))
    devices = len(list(Path("/dev/pts").iterdir()))
    descriptors = agent.descriptors()
    for handle in range(3, 103):
        host.finish(host.terminal(handle, ["true"]))
    assert agent.descriptors() <= descriptors + 1
    assert len(list(Path("/dev/pts").iterdir())) <= devices + 1


def test_a_keeper_serves_commands_with_and_without_a_terminal_in_turn(host: Channel, agent: Agent):
    script = "test -t 0 || test -t 1 || test -t 2 || (: </dev/tty) 2>/dev/null || echo none"
    host.run(1, ["true"])
    keepers = agent.children()
    for handle in (2, 4):
        seen = host.terminal(handle, ["tty"])
        host.finish(seen)
        assert seen.stdout.startswith(b"/dev/pts/")
        assert bytes(host.run(handle + 1, ["sh", "-c", script]).stdout) == b"none\n"
    assert agent.children() == keepers
