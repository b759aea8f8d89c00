"""`devbench exec`: bytes, exit codes and limits, as a script sees them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest


@pytest.mark.parametrize(("script", "code"), [("exit 255", 255), ("kill -KILL $$", 137)])
def test_the_exit_code_is_the_commands_own(cli: Any, web: str, script: str, code: int):
    assert cli.run("exec", web, "--", "sh", "-c", script).returncode == code


def test_every_byte_of_binary_input_comes_back(cli: Any, web: str):
    data = os.urandom(700_000) + bytes(range(256)) + "grüße\n".encode()
    done = cli.run("exec", web, "--", "cat", stdin=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


def test_many_pages_of_output_arrive_whole_in_order_and_on_the_right_descriptor(cli: Any, web: str):
    script = "i=0; while [ $i -lt 30000 ]; do echo line-$i; i=$((i+1)); done; echo err >&2"
    done = cli.run("exec", web, "--", "sh", "-c", script)
    assert done.stdout.decode().splitlines() == [f"line-{i}" for i in range(30000)]
    assert done.stderr == b"err\n"


def test_arguments_variables_and_directory_reach_the_program_as_they_are(cli: Any, web: str):
    words = ["a b", "$HOME", "'\"", "*", "--json", "ü"]
    script = 'printf "%s\\n" "$@" "$GREETING $NAME $KEPT"; pwd'
    options = ["--env", "NAME=agent", "--env", "KEPT", "--cwd", "/tmp"]
    done = cli.run("exec", *options, web, "sh", "-c", script, "sh", *words, env={"KEPT": "k"})
    assert done.stdout.decode().splitlines() == [*words, "hello agent k", "/tmp"]


def test_a_command_that_takes_too_long_exits_with_124(cli: Any, web: str):
    done = cli.run("exec", "--timeout", "1s", web, "sleep", "600")
    assert done.returncode == 124
    assert b"timed out" in done.stderr


def test_programs_that_cannot_be_started_exit_as_in_a_shell(cli: Any, web: str):
    missing = cli.run("exec", web, "no-such-program")
    assert missing.returncode == 127
    assert b"no-such-program" in missing.stderr
    cli.ok("cp", "-", f"{web}:plain.txt", stdin=b"text\n")
    assert cli.run("exec", web, "./plain.txt").returncode == 126


def test_failures_of_devbench_itself_exit_with_125(cli: Any):
    done = cli.run("exec", "nobody", "true")
    assert done.returncode == 125
    assert done.stderr.startswith(b"error[container_not_found]: ")


def test_machines_get_pieces_and_the_ending(cli: Any, web: str):
    done = cli.run("exec", "--json", web, "sh", "-c", "echo out; exit 3")
    assert done.returncode == 3
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert documents[0]["output"]["text"] == "out\n"
    assert documents[-1]["ending"]["exit_code"] == 3


def test_a_repeat_with_the_same_key_shows_the_one_run_and_exits_as_it_did(cli: Any, web: str):
    words = ("exec", "--idempotency-key", "once", web, "sh", "-c", "echo ran >> count; cat count; exit 3")
    first, again = cli.run(*words), cli.run(*words)
    assert [(done.returncode, done.stdout) for done in (first, again)] == [(3, b"ran\n")] * 2
    told = cli.run(words[0], "--json", *words[1:]).stdout.splitlines()
    assert json.loads(told[-1])["replayed"] is True
    other = cli.run("exec", "--idempotency-key", "once", web, "true")
    assert other.returncode == 125
    assert b"error[conflict]: idempotency key 'once' was used for a different request" in other.stderr


def test_a_directory_is_made_only_when_that_is_asked_for(cli: Any, web: str):
    missing = cli.run("exec", "--cwd", "new/deep", web, "pwd")
    assert missing.returncode == 125
    assert b"'new/deep'" in missing.stderr
    assert cli.ok("exec", "--cwd", "new/deep", "--create-cwd", web, "pwd") == "/workspace/new/deep\n"
    assert cli.ok("exec", "--cwd", "new/deep", web, "pwd") == "/workspace/new/deep\n"


def test_a_command_for_another_user_is_refused_by_name(cli: Any, web: str):
    own = cli.ok("exec", web, "id", "-u").strip()
    assert cli.ok("exec", "--user", own, web, "id", "-u").strip() == own
    refused = cli.run("exec", "--user", "0", web, "true")
    assert refused.returncode == 125
    assert b"error[validation]: user: " in refused.stderr
    assert b"none can run as 0" in refused.stderr


def test_input_that_is_too_large_is_refused_before_anything_starts(cli: Any, web: str):
    done = cli.run(
        "exec", web, "wc", "-c", stdin=b"x" * 2048, env={"DEVBENCH_EXECS__STDIN_MAX_BYTES": "1024"}
    )
    assert done.returncode == 125
    assert b"error[too_large]" in done.stderr


def test_no_stdin_leaves_ours_alone(cli: Any, web: str):
    done = cli.run("exec", "--no-stdin", web, "cat", stdin=b"for somebody else")
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_reader_that_goes_away_ends_the_command(cli: Any, web: str):
    with subprocess.Popen(
        cli.argv("exec", "--no-stdin", web, "--", "yes"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli.environment,
        cwd=cli.folder,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"y\ny\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141
    assert cli.json("inspect", web)["execs"] == []


def test_a_command_and_a_list_as_another_user_that_the_container_allows(cli: Any):
    spawned = cli.run("spawn", "--alias", "many", "--exec-user", "4242", "--exec-user", "5252:5353")
    if cli.runtime == "bubblewrap":
        assert spawned.returncode != 0
        assert b"error[capability_not_enforced]: " in spawned.stderr
        assert b"exec_users" in spawned.stderr
        return
    assert spawned.returncode == 0, spawned.stderr
    assert cli.ok("exec", "--user", "4242", "many", "id", "-g") == "4242\n"
    assert cli.ok("exec", "-u", "5252", "many", "id", "-g") == "5353\n"
    refused = cli.run("exec", "--user", "7", "many", "true")
    assert b"or as 4242:4242, 5252:5353; none can run as 7" in refused.stderr
    listed = json.loads(cli.ok("execs", "--json", "many"))
    assert [each["user"] for each in listed["execs"]] == ["4242:4242", "5252:5353"]
    cli.ok("kill", "many")
