"""Transfers to and from a remote host that end in the middle: nothing half is left on either side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from e2e.cli.test_folders import plant
from harness.cli_host import MIB, CliHost, serving, until
from harness.tcp_proxy import ANY, TcpProxy

SIZE = 16 * MIB
LARGE = os.urandom(SIZE)
CUT = 3 * MIB
ONCE = {"DEVBENCH_RETRIES": "0"}


@pytest.fixture(scope="module")
def through(cli: Any) -> Generator[tuple[TcpProxy, CliHost]]:
    """A host behind something that breaks connections, and a container `far` with a large file."""
    with (
        TcpProxy() as proxy,
        serving(cli, "broken", allowed_hosts=[f"127.0.0.1:{proxy.port}"]) as host,
    ):
        proxy.target = host.port
        env = host.environment
        assert cli.run("spawn", "--alias", "far", env=env).returncode == 0
        assert cli.run("cp", "-", "far:in/large", stdin=LARGE, env=env).returncode == 0
        yield proxy, host


@contextmanager
def cut(proxy: TcpProxy, times: int = ANY, **after: int) -> Generator[None]:
    proxy.cuts = times
    for name, value in after.items():
        setattr(proxy, name, value)
    yield
    for name in after:
        setattr(proxy, name, None)


@pytest.mark.parametrize(
    "command",
    [
        ["cp", "far:in/large", "out"],
        ["cp", "-r", "far:in", "out"],
        ["export", "far:in", "out.tar"],
        ["export", "far:in", "out.tar.zst"],
        ["export", "far:in", "out.zip"],
    ],
    ids=["file", "folder", "tar", "zst", "zip"],
)
def test_what_is_cut_off_on_its_way_out_leaves_nothing(
    cli: Any, through: tuple[TcpProxy, CliHost], tmp_path: Path, command: list[str]
):
    proxy, host = through
    target = str(tmp_path / command[-1])
    with cut(proxy, cut_down_after=CUT):
        done = cli.run(*command[:-1], target, env=host.reached_at(proxy.url) | ONCE)
    assert done.returncode == 69, done.stderr
    assert done.stderr.startswith(b"error[host_unreachable]")
    assert b"was lost after" in done.stderr
    assert b"copy it again" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_cut_off_into_a_pipe_is_said_to_be_a_part(cli: Any, through: tuple[TcpProxy, CliHost]):
    proxy, host = through
    for command in (["cp", "far:in/large", "-"], ["export", "--format", "tar", "far:in", "-"]):
        with cut(proxy, cut_down_after=CUT):
            done = cli.run(*command, env=host.reached_at(proxy.url) | ONCE)
        assert (done.returncode, len(done.stdout) < SIZE) == (69, True)
        assert b"not all of it" in done.stderr


def listed(cli: Any, host: CliHost, path: str) -> list[str]:
    found = json.loads(cli.run("ls", f"far:{path}", "--json", env=host.environment).stdout)
    return [PurePosixPath(entry["path"]).name for entry in found["entries"]]


def test_what_is_cut_off_on_its_way_in_changes_nothing(
    cli: Any, through: tuple[TcpProxy, CliHost], tmp_path: Path
):
    proxy, host = through
    env = host.environment
    plant(tmp_path / "project")
    (tmp_path / "project/large").write_bytes(os.urandom(SIZE))
    assert cli.run("cp", "-", "far:up/file", stdin=b"old", env=env).returncode == 0
    archive = str(tmp_path / "a.tar")
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", archive, "project"], check=True)
    for command in (
        ["cp", str(tmp_path / "project/large"), "far:up/file"],
        ["cp", "-r", str(tmp_path / "project"), "far:up"],
        ["import", archive, "far:up"],
    ):
        with cut(proxy, cut_up_after=CUT):
            done = cli.run(*command, env=host.reached_at(proxy.url) | ONCE)
        assert done.returncode == 69, done.stderr
        assert b"nothing was changed there; copy it again" in done.stderr
    assert listed(cli, host, "up") == ["file"]
    assert cli.run("cat", "far:up/file", env=env).stdout == b"old"


OUT = {
    "folder": ["cp", "-r", "far:in", "out"],
    "zst": ["export", "far:in", "out.tar.zst"],
}


@pytest.mark.parametrize("command", OUT.values(), ids=OUT.keys())
def test_what_is_cut_off_on_its_way_out_is_fetched_again(
    cli: Any, through: tuple[TcpProxy, CliHost], tmp_path: Path, command: list[str]
):
    proxy, host = through
    target = tmp_path / command[-1]
    with cut(proxy, 2, cut_down_after=CUT):
        done = cli.run(*command[:-1], str(target), env=host.reached_at(proxy.url))
    assert (done.returncode, proxy.cuts) == (0, 0), done.stderr
    assert done.stderr.count(b"connecting again") == 1
    assert list(tmp_path.iterdir()) == [target]
    if command[0] == "export":
        subprocess.run(["tar", "--zstd", "-xf", str(target), "-C", str(tmp_path)], check=True)
    found = next(path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == SIZE)
    assert found.read_bytes() == LARGE


def test_a_file_goes_on_in_a_pipe_where_it_was_cut_off(cli: Any, through: tuple[TcpProxy, CliHost]):
    proxy, host = through
    with cut(proxy, 3, cut_down_after=CUT):
        done = cli.run("cp", "far:in/large", "-", env=host.reached_at(proxy.url))
    assert (done.returncode, proxy.cuts) == (0, 0), done.stderr
    assert done.stdout == LARGE


def test_what_is_cut_off_on_its_way_in_is_sent_again(
    cli: Any, through: tuple[TcpProxy, CliHost], tmp_path: Path
):
    proxy, host = through
    plant(tmp_path / "project")
    (tmp_path / "project/large").write_bytes(LARGE)
    archive = str(tmp_path / "a.tar")
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", archive, "project"], check=True)
    commands = (
        ["cp", str(tmp_path / "project/large"), "far:again0/project/large"],
        ["cp", "-r", str(tmp_path / "project"), "far:again1/project"],
        ["import", archive, "far:again2"],
    )
    for command in commands:
        with cut(proxy, 1, cut_up_after=CUT):
            done = cli.run(*command, env=host.reached_at(proxy.url))
        assert (done.returncode, proxy.cuts) == (0, 0), done.stderr
    sums = cli.run("exec", "far", "sh", "-c", "sha256sum again*/project/large", env=host.environment).stdout
    assert sums.decode().count(sha256(LARGE).hexdigest()) == len(commands), sums


def test_what_came_from_a_pipe_is_not_sent_again(cli: Any, through: tuple[TcpProxy, CliHost]):
    proxy, host = through
    with cut(proxy, 1, cut_up_after=CUT):
        done = cli.run("cp", "-", "far:piped", stdin=os.urandom(SIZE), env=host.reached_at(proxy.url))
    assert (done.returncode, b"connecting again" in done.stderr) == (69, False)
    assert "piped" not in listed(cli, host, ".")


def test_a_link_that_expired_on_the_way_says_what_to_do(
    cli: Any, through: tuple[TcpProxy, CliHost], tmp_path: Path
):
    _, other = through
    assert other.process.poll() is None
    with TcpProxy() as proxy:
        names = [f"127.0.0.1:{proxy.port}"]
        with serving(cli, "expiring", link_ttl_s=1, allowed_hosts=names) as host:
            proxy.target = host.port
            here = f"http://127.0.0.1:{host.port}"

            def wait(head: bytes) -> None:
                until(lambda: _status(here + head.split(b" ")[1].decode()) == 403)

            proxy.before_link = wait
            done = cli.run("cp", "far:in/large", str(tmp_path / "out"), env=host.reached_at(proxy.url))
    assert done.returncode == 4
    assert b"the link has expired" in done.stderr
    assert b"run the command again" in done.stderr
    assert list(tmp_path.iterdir()) == []


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD")) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_an_interrupted_upload_changes_nothing(cli: Any, through: tuple[TcpProxy, CliHost]):
    _, host = through
    with subprocess.Popen(
        cli.argv("cp", "-", "far:stopped"),
        env={**cli.environment, **host.environment},
        cwd=cli.folder,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * SIZE)  # more than any buffer on the way: most of it was sent
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "stopped" not in listed(cli, host, ".")


def test_a_file_that_changes_on_its_way_out_is_refused(cli: Any, through: tuple[TcpProxy, CliHost]):
    _, host = through
    env = host.environment
    assert cli.run("exec", "far", "truncate", "-s", "64M", "changing", env=env).returncode == 0
    with subprocess.Popen(
        cli.argv("cp", "far:changing", "-"),
        env={**cli.environment, **env},
        cwd=cli.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        got = len(process.stdout.read(MIB))
        change = ["exec", "far", "sh", "-c", "printf x | dd of=changing conv=notrunc"]
        assert cli.run(*change, env=env).returncode == 0
        while piece := process.stdout.read(MIB):
            got += len(piece)
        said = process.stderr.read()
        assert (process.wait(30), got < 64 * MIB) == (5, True), said
        assert b"changed while it was read" in said


def test_an_archive_of_a_host_that_stops_does_not_look_whole(cli: Any):
    with serving(cli, "stopping", grace_s=6) as host:
        env = host.environment
        assert cli.run("spawn", "--alias", "stopping", "--persistent", env=env).returncode == 0
        made = cli.run("exec", "stopping", "truncate", "-s", "1G", "large", env=env)
        assert made.returncode == 0, made.stderr
        with subprocess.Popen(
            cli.argv("export", "--format", "tar", "stopping", "-"),
            env={**cli.environment, **env},
            cwd=cli.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read(MIB)
            host.process.terminate()
            while process.stdout.read(MIB):
                pass
            assert b"was lost after" in process.stderr.read()
            assert process.wait(30) == 69
            assert host.process.wait(30) == 0
    assert cli.run("kill", "stopping").returncode == 0
