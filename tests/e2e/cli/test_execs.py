"""Commands that go on without us: detached, listed, read later."""

from __future__ import annotations

import json
import os
from typing import Any

from harness.processes import running
from harness.terminal import DEADLINE_S, terminal

COUNT = """
while [ ! -e go ]; do sleep 0.05; done
i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.05; done
echo last >&2; exit 4
"""


def test_a_detached_command_outlives_the_command_line_and_is_read_to_its_end(each_cli: Any):
    container = each_cli.ok("spawn").strip()
    exec_id = each_cli.ok("exec", "--detach", container, "--", "sh", "-c", COUNT).strip()
    listed = each_cli.json("execs", "--running", container)["execs"]
    assert [each["id"] for each in listed] == [exec_id]
    each_cli.ok("cp", "-", f"{container}:go", stdin=b"x")
    done = each_cli.run("logs", "--follow", exec_id)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == [f"line {i}" for i in range(30)]
    assert done.stderr == b"last\n"
    again = each_cli.run("logs", exec_id)
    assert (again.stdout, again.stderr) == (done.stdout, done.stderr)
    (line,) = [line for line in each_cli.ok("execs", container).splitlines() if line.startswith(exec_id)]
    assert line.split()[1:4] == ["ended", "exit", "4"]
    each_cli.ok("kill", container)


def test_logs_show_what_is_there_without_waiting_for_the_end(cli: Any, web: str):
    exec_id = cli.ok("exec", "-d", web, "--", "sh", "-c", "echo begun; sleep 300").strip()
    with terminal(cli, "logs", "-f", exec_id) as screen:
        screen.read_until(lambda seen: b"begun" in seen)
        screen.press(b"\x03")
        assert screen.process.wait(DEADLINE_S) == 130
    assert cli.ok("logs", exec_id) == "begun\n"
    (found,) = [each for each in cli.json("execs", "-r", web)["execs"] if each["id"] == exec_id]
    assert found["state"] == "running", "Ctrl-C ended the following only"


def test_the_first_look_at_a_command_that_ended_unwatched_shows_all_of_it(cli: Any, web: str):
    exec_id = cli.ok("exec", "-d", web, "--", "sh", "-c", "echo hi; exit 3").strip()
    assert cli.ok("logs", exec_id) == "hi\n"


def test_a_detached_command_takes_no_more_input_than_can_be_left_with_it(cli: Any, web: str):
    done = cli.run("exec", "-d", web, "cat", stdin=b"x" * 70_000)
    assert done.returncode == 125
    assert b"--detach" in done.stderr
    assert cli.run("exec", "--queue", "never", web, "true").returncode == 125


def test_machines_get_the_id_of_a_detached_command(cli: Any, web: str):
    started = json.loads(cli.ok("exec", "--json", "-d", web, "true"))
    assert started["exec"]["argv"] == ["true"]


def test_limits_and_left_processes_are_passed_on(cli: Any, web: str):
    marker = f"8{os.getpid()}"
    options = ("--nofile", "88", "--nice", "3", "--end-leftovers")
    done = cli.run("exec", *options, web, "--", "sh", "-c", f"ulimit -n; nice; sleep {marker} &")
    assert done.stdout.decode().split() == ["88", "3"]
    assert not running(marker)


def test_a_command_that_nobody_started_is_not_found(cli: Any):
    done = cli.run("logs", "x_" + "0" * 20)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error[exec_not_found]: ")
