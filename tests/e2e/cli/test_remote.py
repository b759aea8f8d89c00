"""The same commands on a remote host: a real `devbench serve`, driven with `--url` and a token."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from harness.cli_host import TOKEN, serving
from harness.terminal import DEADLINE_S, terminal


@pytest.fixture(scope="module")
def remote(cli: Any) -> Generator[dict[str, str]]:
    """A host on the state folder of the command, so that both ways see the same containers."""
    with serving(cli) as host:
        yield host.environment


@pytest.fixture(scope="module")
def far(cli: Any, remote: dict[str, str]) -> str:
    """A container that was made through the host."""
    done = cli.run("spawn", "--alias", "far", env=remote)
    assert done.returncode == 0, done.stderr
    return "far"


def test_a_shell_on_a_host_is_typed_at_resized_left_and_attached_to(
    cli: Any, remote: dict[str, str], far: str
):
    with terminal(cli, "shell", far, "--", "sh", size=(100, 30), **remote) as screen:
        screen.read_until(lambda seen: re.search(rb"[#$] ", seen) is not None)
        screen.press(b"stty size; echo le''ft\n")
        seen = screen.read_until(lambda seen: b"left\r\n" in seen)
        assert b"30 100\r\n" in seen
        screen.press(b"\x10\x11")
        seen = screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0
    found = re.search(rb"devbench attach (x_\w+)", seen)
    assert found, seen
    with terminal(cli, "attach", found[1].decode(), size=(70, 10), **remote) as screen:
        screen.press(b"stty size; exit 4\n")
        assert b"10 70\r\n" in screen.rest()
        assert screen.process.wait(DEADLINE_S) == 4


@pytest.mark.parametrize(
    "command",
    [
        ["exec", "far", "sh", "-c", "printf 'a\\377b'; echo err >&2; exit 5"],
        ["ls", "far", "--json"],
        ["inspect", "nobody"],
    ],
    ids=["exec", "ls", "inspect"],
)
def test_both_ways_print_the_same(cli: Any, remote: dict[str, str], far: str, command: list[str]):
    assert far
    there, here = cli.run(*command, env=remote), cli.run(*command, env={"CLI_TEST_TOKEN": TOKEN})
    assert (there.returncode, there.stdout, there.stderr) == (here.returncode, here.stdout, here.stderr)


def test_a_file_goes_to_a_remote_container_and_comes_back(cli: Any, remote: dict[str, str], far: str):
    data = os.urandom(1_000_000)
    assert cli.run("cp", "-", f"{far}:data", stdin=data, env=remote).returncode == 0
    assert cli.run("cat", f"{far}:data", env=remote).stdout == data


def test_a_wrong_token_is_refused_with_a_hint(cli: Any, remote: dict[str, str], tmp_path: Path):
    done = cli.run("ps", env={**remote, "DEVBENCH_TOKEN": "wrong"})
    assert done.returncode == 4
    assert done.stderr.startswith(b"error[unauthorised]")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    named = ["--url", remote["DEVBENCH_URL"], "--token-file", str(tmp_path / "token")]
    assert cli.run("ps", *named).returncode == 0


def test_what_only_the_host_can_do_is_refused_by_name(cli: Any, remote: dict[str, str]):
    done = cli.run("images", "pull", "anything", env=remote)
    assert done.returncode == 2
    assert b"without --url" in done.stderr


def test_a_host_that_does_not_answer_exits_with_69(cli: Any):
    done = cli.run("ps", "--url", "http://127.0.0.1:9/mcp", env={"CLI_TEST_TOKEN": TOKEN})
    assert done.returncode == 69
    assert done.stderr.startswith(b"error[host_unreachable]")
    assert b"hint: " in done.stderr


def test_a_shell_of_a_host_runs_scripts_of_one_client_after_the_other(
    cli: Any, remote: dict[str, str], far: str
):
    shell = cli.run("shells", "open", far, env=remote).stdout.decode().strip()
    assert cli.run("shells", "run", shell, "word=kept; (exit 5)", env=remote).returncode == 5
    again = cli.run("shells", "run", shell, "echo $word", env=remote)
    assert (again.returncode, again.stdout) == (0, b"kept\n")
    beside = cli.run("shells", "run", shell, "echo $word; word=changed")
    assert (beside.returncode, beside.stdout) == (0, b"kept\n"), "the host does it for who works beside it"
    assert cli.run("shells", "run", shell, "echo $word", env=remote).stdout == b"changed\n"
    assert cli.run("shells", "close", shell, env=remote).returncode == 0
