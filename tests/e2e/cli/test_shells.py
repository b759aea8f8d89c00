"""`devbench shells`: each command is a process of its own, and the shell is there for the next."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from harness.terminal import DEADLINE_S, terminal

CTRL_C = b"\x03"


@pytest.fixture(scope="module")
def place(each_cli: Any) -> str:
    """A container on each runtime that the tests of a shell's own ways share."""
    return str(each_cli.ok("spawn").strip())


@pytest.fixture
def shell(each_cli: Any, place: str) -> Iterator[str]:
    found = each_cli.ok("shells", "open", "--env", "GREETING=hello", place).strip()
    yield found
    each_cli.ok("shells", "close", found)


def test_what_a_script_changes_is_there_for_the_next_process(each_cli: Any, place: str, shell: str):
    script = "mkdir -p d; cd d; word=kept; echo $GREETING; echo err >&2; (exit 7)"
    first = each_cli.run("shells", "run", shell, script)
    assert (first.returncode, first.stdout, first.stderr) == (7, b"hello\n", b"err\n")
    second = each_cli.run("shells", "run", shell, stdin=b"echo $word\nbasename $(pwd)\n")
    assert (second.returncode, second.stdout) == (0, b"kept\nd\n")
    (listed,) = each_cli.json("shells", "list", place)["shells"]
    assert (listed["id"], listed["state"], listed["run"]["number"]) == (shell, "idle", 2)
    assert shell in each_cli.ok("shells", "list", place)


def test_ctrl_c_interrupts_the_run_and_keeps_the_shell(each_cli: Any, shell: str):
    each_cli.ok("shells", "run", shell, "word=kept")
    with terminal(each_cli, "shells", "run", shell, "echo ready; while :; do sleep 300; done") as screen:
        screen.read_until(lambda seen: b"ready" in seen)
        screen.press(CTRL_C)
        screen.rest()
        assert screen.process.wait(DEADLINE_S) == 130
    assert each_cli.ok("shells", "run", shell, "echo $word") == "kept\n"


def test_a_time_limit_exits_with_124_and_keeps_the_shell(each_cli: Any, shell: str):
    done = each_cli.run("shells", "run", "--timeout", "1s", shell, "sleep 600")
    assert (done.returncode, done.stderr) == (124, b"devbench: timed out: it was interrupted\n")
    assert each_cli.run("shells", "run", shell, "exit 0").returncode == 0


def test_a_program_is_talked_to_by_one_process_after_the_other(each_cli: Any, shell: str):
    loop = 'while read -r line; do [ "$line" = end ] && break; echo "got <$line>"; done'
    begun = each_cli.ok("shells", "run", "-id", shell, loop).strip()
    cursor = each_cli.ok("shells", "write", shell, "a b").strip()
    assert int(cursor) >= int(begun)
    answer = ("shells", "read", "--after", cursor, "--until-regex", r"<(\w+) (\w+)>", shell)
    assert each_cli.ok(*answer) == "got <a b>\n"
    assert each_cli.json(*answer)["match"]["groups"] == ["a", "b"]
    late = each_cli.run("shells", "read", "--after", cursor, "--until", "never", "--wait", "1s", shell)
    assert late.returncode == 124
    cursor = each_cli.ok("shells", "write", shell, stdin=b"end\n").strip()
    over = each_cli.run("shells", "read", "--after", cursor, "--until", "never", shell)
    assert over.returncode == 1
    assert each_cli.ok("shells", "run", shell, "echo $line") == "end\n"


@pytest.fixture(scope="module")
def one(cli: Any, web: str) -> str:
    return str(cli.ok("shells", "open", web).strip())


def test_our_stdin_goes_to_what_an_interactive_run_runs(cli: Any, one: str):
    with subprocess.Popen(
        cli.argv("shells", "run", "-i", one, 'read -r a; echo "<$a>"; read -r b; echo "<$b>"'),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=cli.environment,
        cwd=cli.folder,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"first\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"<first>\n"
        process.stdin.write(b"second\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"<second>\n"
        assert process.wait(DEADLINE_S) == 0


def test_many_pages_of_a_run_arrive_whole_and_in_order(cli: Any, one: str):
    script = "i=0; while [ $i -lt 30000 ]; do echo line-$i; i=$((i+1)); done"
    assert cli.ok("shells", "run", one, script).splitlines() == [f"line-{i}" for i in range(30000)]


def test_a_signal_to_the_command_line_interrupts_the_run_too(cli: Any, one: str):
    with subprocess.Popen(
        cli.argv("shells", "run", one, "echo ready; sleep 300"),
        stdout=subprocess.PIPE,
        env=cli.environment,
        cwd=cli.folder,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 128 + signal.SIGTERM
    assert cli.ok("shells", "run", one, "echo on") == "on\n"


def test_a_script_that_ends_its_shell_passes_its_code_and_the_next_one_is_refused(cli: Any, web: str):
    shell = cli.ok("shells", "open", "--program", "sh", web).strip()
    done = cli.run("shells", "run", shell, "exit 9")
    assert (done.returncode, done.stderr) == (9, b"devbench: the script ended the shell\n")
    refused = cli.run("shells", "run", shell, "true")
    assert refused.returncode == 125
    assert b"error[shell_ended]" in refused.stderr
    assert cli.run("shells", "run", "x_nobody", "true").returncode == 125
    assert cli.run("shells", "read", "x_nobody").returncode == 2


def test_machines_get_pieces_and_the_run(cli: Any, one: str):
    done = cli.run("shells", "run", "--json", one, "echo out; (exit 3)")
    assert done.returncode == 3
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert documents[0]["output"]["text"] == "out\n"
    assert (documents[-1]["run"]["exit_code"], documents[-1]["run"]["shell_kept"]) == (3, True)


def test_a_run_is_cancelled_by_another_process(cli: Any, one: str):
    cli.ok("shells", "run", "--detach", one, "sleep 300")
    assert cli.ok("shells", "cancel", one) == f"{one} idle\n"


def test_a_pattern_that_is_none_is_wrong_usage(cli: Any, one: str):
    done = cli.run("shells", "read", "--until-regex", "(open", one)
    assert done.returncode == 2
    assert b"until_regex" in done.stderr


@pytest.mark.parametrize("each_cli", ["docker"], indirect=True)
def test_a_shell_is_opened_as_another_user_where_the_container_has_it(each_cli: Any):
    container = each_cli.ok("spawn", "--exec-user", "1234:1234").strip()
    shell = each_cli.ok("shells", "open", "--user", "1234:1234", container).strip()
    assert each_cli.ok("shells", "run", shell, "id -u") == "1234\n"
    assert each_cli.run("shells", "open", "--user", "999", container).returncode != 0
    each_cli.ok("kill", container)
