"""Large files, folders and archives to and from a remote host, in constant memory."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from e2e.cli.test_folders import plant, same
from harness.cli_host import MIB, CliHost, peak_bytes, peak_of, serving
from harness.tcp_proxy import TcpProxy
from harness.terminal import DEADLINE_S, terminal

SIZE = 48 * MIB
GROWTH_MAX_BYTES = 20 * MIB
"""What a transfer of any size may take more than one of a mebibyte: windows and buffers on the way."""


@pytest.fixture(scope="module")
def host(cli: Any) -> Generator[CliHost]:
    with serving(cli) as found:
        assert cli.run("spawn", "--alias", "far", env=found.environment).returncode == 0
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("large") / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    file.chmod(0o754)
    return file


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files and large ones."""
    folder = tmp_path_factory.mktemp("tree") / "project"
    plant(folder)
    for number in range(6):
        (folder / f"large{number}").write_bytes(os.urandom(SIZE // 6))
    return folder


def test_a_large_file_goes_in_and_comes_out_in_constant_memory(
    cli: Any, host: CliHost, large: Path, tmp_path: Path
):
    small, back = tmp_path / "small.bin", tmp_path / "back.bin"
    small.write_bytes(large.read_bytes()[:MIB])
    env = host.environment
    little_up = peak_of(cli, "cp", str(small), "far:small", env=env)
    little_down = peak_of(cli, "cp", "far:small", str(back), env=env)
    before = peak_bytes(host.process.pid)
    much_up = peak_of(cli, "cp", str(large), "far:in/large", env=env)
    much_down = peak_of(cli, "cp", "far:in/large", str(back), env=env)
    assert back.read_bytes() == large.read_bytes()
    assert back.stat().st_mode & 0o777 == 0o754
    assert much_up - little_up < GROWTH_MAX_BYTES
    assert much_down - little_down < GROWTH_MAX_BYTES
    assert peak_bytes(host.process.pid) - before < GROWTH_MAX_BYTES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.bin", "small.bin"]


def test_a_large_stream_goes_in_and_comes_out(cli: Any, host: CliHost, large: Path):
    env = host.environment
    little = peak_of(cli, "cp", "-", "far:stream", env=env)
    much = peak_of(cli, "cp", "-", "far:stream", env=env, stdin=large)
    assert much - little < GROWTH_MAX_BYTES
    assert cli.run("cat", "far:stream", env=env).stdout == large.read_bytes()


def test_a_large_folder_goes_in_and_comes_out_in_constant_memory(
    cli: Any, host: CliHost, tree: Path, tmp_path: Path
):
    little = tmp_path / "little"
    plant(little)
    env = host.environment
    little_up = peak_of(cli, "cp", "-r", str(little), "far:little", env=env)
    before = peak_bytes(host.process.pid)
    much_up = peak_of(cli, "cp", "-r", str(tree), "far:tree", env=env)
    much_down = peak_of(cli, "cp", "-r", "far:tree", str(tmp_path / "back"), env=env)
    assert same(tree, tmp_path / "back")
    assert max(much_up, much_down) - little_up < GROWTH_MAX_BYTES
    assert peak_bytes(host.process.pid) - before < GROWTH_MAX_BYTES


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.zst", "a.zip"])
def test_large_archives_are_packed_and_unpacked(
    cli: Any, host: CliHost, tree: Path, tmp_path: Path, name: str
):
    env = host.environment
    source = f"far:from/{name}"
    assert cli.run("cp", "-r", str(tree), source, env=env).returncode == 0
    archive = tmp_path / name
    ignore = ["--ignore", "# a note", "--ignore", "/build/", "--ignore", "*.log"]
    assert cli.run("export", *ignore, source, str(archive), env=env).returncode == 0
    done = cli.run("import", str(archive), f"far:un/{name}", env=env)
    assert done.returncode == 0, done.stderr
    again = cli.run("import", "--no-overwrite", str(archive), f"far:un/{name}", env=env)
    assert (again.returncode, b"error[file_conflict]" in again.stderr) == (5, True)
    assert cli.run("cp", "-r", f"far:un/{name}", str(tmp_path / "back"), env=env).returncode == 0
    assert not (tmp_path / "back/x.log").exists()
    assert (tmp_path / "back/large5").read_bytes() == (tree / "large5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "back"])


def test_a_bar_shows_how_far_a_remote_transfer_is(cli: Any, host: CliHost, large: Path):
    with terminal(cli, "cp", str(large), "far:shown", size=(100, 30), **host.environment) as screen:
        assert b"/50.3 MB" in screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0


def test_links_are_used_where_the_host_was_reached_and_not_where_it_thinks_it_is(
    cli: Any, large: Path, tmp_path: Path
):
    with TcpProxy() as proxy:
        wrong = "https://127.0.0.1:9/elsewhere"
        with serving(cli, "proxied", public_url=wrong, allowed_hosts=[f"127.0.0.1:{proxy.port}"]) as host:
            proxy.target = host.port
            env = host.reached_at(proxy.url)
            assert cli.run("spawn", "--alias", "proxied", env=env).returncode == 0
            done = cli.run("cp", str(large), "proxied:f", env=env)
            assert done.returncode == 0, done.stderr
            assert cli.run("cp", "proxied:f", str(tmp_path / "f"), env=env).returncode == 0
    assert (tmp_path / "f").read_bytes() == large.read_bytes()
    assert proxy.links >= 2


@pytest.mark.parametrize("level", ["-v", "-vv"])
def test_no_log_has_what_opens_a_link_or_a_proxy(
    cli: Any, host: CliHost, large: Path, tmp_path: Path, level: str
):
    env = host.reached_at(f"{host.url}?key=hidden")
    done = cli.run(level, "cp", str(large), f"far:logged{level}", env=env)
    assert done.returncode == 0, done.stderr
    shown = done.stderr.decode()
    back = cli.run(level, "cp", f"far:logged{level}", str(tmp_path / "f"), env=env)
    shown += back.stderr.decode()
    assert "/files/***/" in shown
    assert "/mcp?***" in shown
    assert not re.search(r"/files/[\w-]+\.[\w-]+|hidden", shown)


def test_links_are_used_where_the_host_says_when_its_proxy_forwards_none(
    cli: Any, large: Path, tmp_path: Path
):
    with TcpProxy() as proxy, TcpProxy() as other:
        names = [f"127.0.0.1:{place.port}" for place in (proxy, other)]
        public = f"http://{names[1]}"
        proxy.knows_links = False
        with serving(cli, "half", public_url=public, allowed_hosts=names) as host:
            proxy.target = other.target = host.port
            env = host.reached_at(proxy.url)
            assert cli.run("spawn", "--alias", "half", env=env).returncode == 0
            assert cli.run("cp", str(large), "half:f", env=env).returncode == 0
            other.knows_links = False
            done = cli.run("cp", "half:f", str(tmp_path / "f"), env=env)
    assert done.returncode == 69
    assert b"mcp.public_url" in done.stderr
    assert list(tmp_path.iterdir()) == []
