"""A person at a real pseudo-terminal types at a shell in a container, on every runtime."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.processes import running
from harness.terminal import DEADLINE_S, Terminal, terminal

CTRL_C, CTRL_D, CTRL_P, CTRL_Q, CTRL_Z, ESCAPE = b"\x03", b"\x04", b"\x10", b"\x11", b"\x1a", b"\x1b"
PROMPT = b"ready> "
ALL_BYTES = bytes(range(256)) * 8
LEFT = re.compile(rb"devbench attach (x_\w+)")


class Typist:
    """Presses keys, and waits for what the terminal shows after what it saw before."""

    def __init__(self, screen: Terminal) -> None:
        self.screen = screen
        self.at = 0

    def types(self, keys: bytes) -> None:
        self.screen.press(keys)

    def sees(self, words: bytes) -> bytes:
        seen = self.screen.read_until(lambda seen: words in seen[self.at :])
        end = seen.find(words, self.at) + len(words)
        assert end >= len(words) + self.at, f"{words!r} is not in {seen[self.at :]!r}"
        part, self.at = seen[self.at : end], end
        return part

    def runs(self, line: bytes, answer: bytes) -> None:
        """Type a line, see the answer and then the prompt."""
        self.types(line + b"\n")
        self.sees(answer)
        self.sees(PROMPT)

    def exit_code(self) -> int:
        self.screen.rest()
        return self.screen.process.wait(DEADLINE_S)


@contextmanager
def shell(
    cli: Any, *arguments: str, size: tuple[int, int] = (100, 30), **variables: str
) -> Generator[Typist]:
    with terminal(cli, *arguments, size=size, **variables) as screen:
        typist = Typist(screen)
        screen.read_until(lambda seen: re.search(rb"[#$] ", seen) is not None)
        typist.types(b"PS1='rea''dy> '\n")
        typist.sees(PROMPT)
        yield typist


@pytest.fixture(scope="module")
def box(each_cli: Any) -> str:
    """A container on each runtime in turn."""
    return str(each_cli.ok("spawn").strip())


def test_the_shell_has_our_terminals_size_and_name_and_follows_a_resize(each_cli: Any, box: str):
    with shell(each_cli, "shell", box, TERM="vt100") as typist:
        typist.runs(b"stty size", b"30 100\r\n")
        typist.runs(b"echo =$TERM=", b"=vt100=\r\n")
        typist.screen.resize(90, 20)
        deadline = time.monotonic() + DEADLINE_S
        while b"20 90\r\n" not in typist.screen.seen:
            assert time.monotonic() < deadline
            typist.types(b"stty size\n")
            typist.sees(PROMPT)
        typist.types(b"exit\n")
        assert typist.exit_code() == 0


def test_ctrl_c_ends_what_runs_in_the_foreground_and_not_the_shell(each_cli: Any, box: str):
    unique = f"8{os.getpid()}"
    with shell(each_cli, "shell", box) as typist:
        typist.types(f"sh -c 'echo u\"\"p; exec sleep {unique}'\n".encode())
        typist.sees(b"up\r\n")
        assert running(unique)
        typist.types(CTRL_C)
        typist.sees(PROMPT)
        assert not running(unique)
        typist.runs(b"echo $((6*7))", b"42\r\n")


def test_ctrl_d_leaves_the_shell_and_its_exit_code_is_ours(each_cli: Any, box: str):
    with shell(each_cli, "shell", box) as typist:
        before = typist.screen.modes()
        typist.types(b"(exit 7)\n")
        typist.sees(PROMPT)
        typist.types(CTRL_D)
        assert typist.exit_code() == 7
        assert typist.screen.modes() != before  # raw while it was followed


def test_jobs_are_stopped_listed_and_brought_back(each_cli: Any, box: str):
    with shell(each_cli, "shell", box) as typist:
        typist.runs(b"sleep 1000 &", b"")
        typist.runs(b"jobs", b"Running")
        typist.types(b"sh -c 'echo u\"\"p; exec cat'\n")
        typist.sees(b"up\r\n")
        typist.types(CTRL_Z)
        typist.sees(b"Stopped")
        typist.sees(PROMPT)
        typist.types(b"fg\n")
        typist.sees(b"exec cat")  # each shell quotes in its own way
        typist.sees(b"\r\n")
        typist.types(b"hello\n")
        typist.sees(b"hello\r\n")  # the terminal's echo
        typist.sees(b"hello\r\n")  # the program's
        typist.types(CTRL_C)
        typist.sees(PROMPT)
        typist.runs(b"kill %1; wait; jobs; echo d''one", b"done\r\n")
        typist.types(b"exit 3\n")
        assert typist.exit_code() == 3


def test_a_full_screen_program_draws_edits_and_quits(each_cli: Any, box: str):
    with shell(each_cli, "shell", box, size=(60, 12)) as typist:
        typist.types(b"vi note.txt\n")
        typist.sees(b"~")
        typist.sees(b"~")
        typist.types(b"ihello from vi" + ESCAPE)
        typist.sees(b"hello from vi")
        typist.types(b":wq\r")
        typist.sees(PROMPT)
        typist.runs(b"cat note.txt", b"hello from vi\r\n")
    assert each_cli.ok("cat", f"{box}:note.txt") == "hello from vi\n"


def test_every_byte_passes_in_both_directions(each_cli: Any, box: str):
    with shell(each_cli, "shell", "--detach-keys", "none", box) as typist:
        size = len(ALL_BYTES)
        typist.types(f"stty raw -echo; echo u''p; head -c {size} >got; cat got; stty sane\n".encode())
        typist.sees(b"up\n")
        typist.types(ALL_BYTES)
        typist.sees(ALL_BYTES)
        typist.sees(PROMPT)
        typist.runs(b"sha256sum got", hashlib.sha256(ALL_BYTES).hexdigest().encode())


def _exits(typist: Typist, _cli: Any, _box: str) -> int:
    typist.types(b"exit 5\n")
    return 5


def _detaches(typist: Typist, _cli: Any, _box: str) -> int:
    typist.types(CTRL_P + CTRL_Q)
    return 0


def _is_terminated(typist: Typist, _cli: Any, _box: str) -> int:
    typist.screen.process.send_signal(signal.SIGTERM)
    return 128 + signal.SIGTERM


def _is_hung_up(typist: Typist, _cli: Any, _box: str) -> int:
    typist.screen.process.send_signal(signal.SIGHUP)
    return 128 + signal.SIGHUP


def _is_interrupted_twice(typist: Typist, _cli: Any, _box: str) -> int:
    typist.screen.process.send_signal(signal.SIGTERM)
    typist.screen.process.send_signal(signal.SIGTERM)
    return 128 + signal.SIGTERM


def _loses_its_container(_typist: Typist, cli: Any, box: str) -> int:
    cli.ok("kill", box)
    return 125


@pytest.mark.parametrize(
    "end",
    [_exits, _detaches, _is_terminated, _is_hung_up, _is_interrupted_twice, _loses_its_container],
)
def test_our_terminal_is_restored_however_it_ends(cli: Any, end: Callable[[Typist, Any, str], int]):
    box = cli.ok("spawn").strip()
    with terminal(cli, "ps") as screen:
        screen.rest()
        usual = screen.modes()
    with shell(cli, "shell", box) as typist:
        assert typist.screen.modes() != usual
        code = end(typist, cli, box)
        assert typist.exit_code() == code
        assert typist.screen.modes() == usual


def test_a_terminated_shell_ends_with_everything_it_started(each_cli: Any, box: str):
    unique = f"7{os.getpid()}"
    with shell(each_cli, "shell", box) as typist:
        typist.types(f"sleep {unique} & sh -c 'echo u\"\"p; exec sleep {unique}'\n".encode())
        typist.sees(b"up\r\n")
        typist.screen.process.send_signal(signal.SIGTERM)
        assert typist.exit_code() == 143
    assert not running(unique)


def test_a_shell_that_was_left_goes_on_and_is_attached_to_again(each_cli: Any, box: str):
    with shell(each_cli, "shell", box) as typist:
        typist.runs(b"word=kept", b"")
        typist.types(CTRL_P + CTRL_Q)
        assert typist.exit_code() == 0
        found = LEFT.search(typist.screen.seen)
    assert found
    with terminal(each_cli, "attach", found[1].decode(), size=(70, 10)) as screen:
        again = Typist(screen)
        again.types(b"\n")
        again.sees(PROMPT)
        again.types(b"echo =$word=; stty size; exit 4\n")
        again.sees(b"=kept=\r\n10 70\r\n")
        assert again.exit_code() == 4


def test_two_who_are_attached_from_processes_of_their_own_type_at_the_same_command(cli: Any, web: str):
    with shell(cli, "shell", web) as typist:
        found = cli.json("execs", "--running", web)["execs"][-1]["id"]
        with terminal(cli, "attach", found) as screen:
            screen.press(b"echo fr''om beside\n")
            screen.read_until(lambda seen: b"from beside\r\n" in seen)
            screen.press(b"\x10\x11")
            screen.rest()
            assert screen.process.wait(DEADLINE_S) == 0
        typist.sees(b"from beside\r\n")
        typist.runs(b"echo st''ill", b"still\r\n")


def test_the_keys_that_leave_can_be_others_and_none(cli: Any, web: str):
    with shell(cli, "shell", "--detach-keys", "~,.", web) as typist:
        typist.runs(b"echo ~/x", b"/x\r\n")
        typist.types(b"~.")
        assert typist.exit_code() == 0
    assert cli.run("shell", "--detach-keys", "ctrl-", web).returncode == 125


def test_a_program_runs_at_a_terminal_instead_of_the_shell(each_cli: Any, box: str):
    with terminal(each_cli, "shell", box, "--", "sh", "-c", "tty; read line; exit $line") as screen:
        typist = Typist(screen)
        typist.sees(b"/dev/pts/")
        typist.types(b"9\n")
        assert typist.exit_code() == 9
    with terminal(each_cli, "exec", "-it", box, "sh", "-c", "tty; read line; exit $line") as screen:
        typist = Typist(screen)
        typist.sees(b"/dev/pts/")
        typist.types(b"8\n")
        assert typist.exit_code() == 8


def test_without_a_terminal_it_says_what_to_do(cli: Any, web: str):
    for words in (("shell", web), ("exec", "-it", web, "sh")):
        done = cli.run(*words)
        assert done.returncode == 125
        assert done.stderr.startswith(b"error[validation]: stdin: is no terminal")
        assert b"devbench exec -i" in done.stderr


def test_a_pipe_is_passed_on_as_it_comes(cli: Any, web: str):
    command = cli.argv("exec", "-i", web, "--", "sh", "-c", 'while read x; do echo "=$x="; done; exit 6')
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cli.folder, env=cli.environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"=" + word + b"=\n"
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 6


def test_a_file_is_passed_on_whole(cli: Any, web: str, tmp_path: Any):
    data = os.urandom(1_500_000)
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as file:
        done = subprocess.run(
            cli.argv("exec", "-i", web, "sha256sum"),
            stdin=file,
            capture_output=True,
            check=True,
            cwd=cli.folder,
            env=cli.environment,
            timeout=DEADLINE_S,
        )
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_terminal_can_be_given_to_a_program_that_nobody_types_at(cli: Any, web: str):
    done = cli.run("exec", "-t", web, "sh", "-c", "test -t 1 && stty size")
    assert (done.returncode, done.stdout) == (0, b"24 80\r\n")
