from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from agent_process import DEADLINE_S, TOKEN, Agent, StartAgent, wait_until
from agent_wire import Channel, connect


def over_stdio(command: list[str]) -> tuple[subprocess.Popen[bytes], Channel]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    return process, Channel(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))


def hang_up(process: subprocess.Popen[bytes], channel: Channel) -> None:
    assert process.stdin
    assert process.stdout
    channel.close()
    process.stdin.close()
    process.stdout.close()


def test_a_channel_on_the_standard_streams_serves_at_once(binary: Path, tmp_path: Path):
    process, host = over_stdio(
        [str(binary), "--stdio", "--socket", str(tmp_path / "s"), "--workspace", str(tmp_path)]
    )
    try:
        host.hello()
        host.auth(TOKEN, claim=True)
        assert bytes(host.run(1, ["echo", "hi"]).stdout) == b"hi\n"
        run = host.start(2, ["sh", "-c", "head -c 5000000 /dev/zero"])
        host.finish(run)
        assert len(run.stdout) == 5_000_000
    finally:
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        hang_up(process, host)


def test_the_agent_outlives_the_host_on_its_standard_streams(binary: Path, tmp_path: Path):
    path = tmp_path / "s"
    process, host = over_stdio([str(binary), "--stdio", "--socket", str(path), "--workspace", str(tmp_path)])
    try:
        host.hello()
        host.auth(TOKEN, claim=True)
        host.start(1, ["sh", "-c", "sleep 0.3; echo later"])
        hang_up(process, host)
        with connect(path) as second:
            second.hello()
            second.auth(TOKEN, claim=False)
            run = second.resume(1)
            second.finish(run)
            assert bytes(run.stdout) == b"later\n"
    finally:
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def test_what_commands_write_never_mixes_into_the_channel(binary: Path, tmp_path: Path):
    process, host = over_stdio([str(binary), "--stdio", "--workspace", str(tmp_path)])
    try:
        host.hello()
        host.auth(TOKEN, claim=True)
        host.run(1, ["sh", "-c", "echo x > /proc/$PPID/fd/1; echo y >&2; for i in 1 2 3; do echo $i; done"])
        assert host.list() == {}
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        hang_up(process, host)


def bridge(agent: Agent, binary: Path) -> tuple[subprocess.Popen[bytes], Channel]:
    return over_stdio([str(binary), "connect", "--socket", str(agent.socket), "--peer", str(agent.pid)])


def test_the_bridge_carries_a_channel(agent: Agent, binary: Path):
    process, host = bridge(agent, binary)
    host.hello()
    host.auth(TOKEN, claim=True)
    data = os.urandom(1 << 20)
    host.write("f", data)
    assert host.read("f")[1] == data
    run = host.start(1, ["cat", "f"])
    host.finish(run)
    assert bytes(run.stdout) == data
    hang_up(process, host)
    assert process.wait(DEADLINE_S) == 0


def test_the_bridge_ends_with_its_host(agent: Agent, binary: Path):
    process, host = bridge(agent, binary)
    host.hello()
    hang_up(process, host)
    assert process.wait(2) == 0


def test_the_bridge_ends_with_the_agent(start_agent: StartAgent, binary: Path):
    agent = start_agent()
    process, host = bridge(agent, binary)
    host.hello()
    agent.process.kill()
    agent.process.wait()
    assert process.wait(2) == 0
    hang_up(process, host)


def test_the_bridge_refuses_an_impostor(tmp_path: Path, binary: Path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as impostor:
        impostor.bind(str(path))
        impostor.listen()
        done = subprocess.run(
            [binary, "connect", "--socket", path], capture_output=True, timeout=10, check=False
        )
    assert done.returncode == 1
    assert b"not the agent" in done.stderr
    assert done.stdout == b""


def test_the_bridge_waits_for_the_agent_and_gives_up(tmp_path: Path, binary: Path):
    began = time.monotonic()
    done = subprocess.run(
        [binary, "connect", "--socket", tmp_path / "no"],
        capture_output=True,
        timeout=10,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 1
    assert 1 < time.monotonic() - began < 5


def test_the_bridge_reaches_pid_1_of_its_container(start_agent: StartAgent, binary: Path):
    agent = start_agent(pid1=True)
    inside = ["nsenter", "--target", str(agent.pid), "--pid", "--mount"]
    as_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    process, host = over_stdio([*inside, *as_user, str(binary), "connect", "--socket", str(agent.socket)])
    host.hello()
    host.auth(TOKEN, claim=True)
    assert host.pid == 1
    assert bytes(host.run(1, ["sh", "-c", "echo $PPID"]).stdout).strip().isdigit()
    hang_up(process, host)
    process.wait(DEADLINE_S)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--nonsense"],
        ["--socket"],
        ["connect"],
        ["--stdio", "--spool-total", "x"],
        ["connect", "--socket", "s", "--peer"],
    ],
)
def test_wrong_arguments_are_told_in_one_go(binary: Path, arguments: list[str]):
    done = subprocess.run([binary, *arguments], capture_output=True, timeout=10, check=False)
    assert done.returncode == 2
    assert b"usage" in done.stderr


@pytest.mark.parametrize("option", ["--socket", "--workspace"])
def test_what_cannot_be_opened_is_named(binary: Path, option: str):
    rest = ["--stdio"] if option == "--workspace" else []
    done = subprocess.run(
        [binary, *rest, option, "/no/such/folder/x"], capture_output=True, timeout=10, check=False
    )
    assert done.returncode == 1
    assert b"/no/such/folder/x" in done.stderr


def test_the_socket_is_for_its_user_only(agent: Agent):
    assert agent.socket.stat().st_mode & 0o777 == 0o600


def test_it_runs_in_a_root_that_holds_nothing_but_itself(binary: Path, tmp_path: Path, instrumented: bool):
    if instrumented:
        return  # an instrumented build is not static
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "w").mkdir()
    program = root / "agent"
    program.write_bytes(binary.read_bytes())
    program.chmod(0o111)
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    apart = [
        "unshare",
        *as_user,
        "--pid",
        "--fork",
        "--kill-child",
        f"--mount-proc={root / 'proc'}",
        "--mount",
    ]
    process, host = over_stdio([*apart, "chroot", str(root), "/agent", "--stdio", "--workspace", "/w"])
    try:
        host.hello()
        host.auth(TOKEN, claim=True)
        assert host.pid == 1
        assert bytes(host.run(1, ["/agent", "--version"]).stdout).startswith(b"devbench-agent ")
        host.write("f", b"x")
        assert host.read("f")[1] == b"x"
        assert host.start(2, ["sh"]).failed == (1, 2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_S)
        hang_up(process, host)
    wait_until(lambda: process.poll() is not None, "the end")
