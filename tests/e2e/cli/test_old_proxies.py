"""Archives through proxies that speak HTTP/1.0, where the end of what came says nothing."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from e2e.cli.test_folders import plant
from harness.cli_host import MIB, CliHost, serving
from harness.closing_proxy import ClosingProxy
from harness.tcp_proxy import TcpProxy

SIZE = 3 * MIB


@pytest.fixture(scope="module")
def through(cli: Any) -> Generator[tuple[ClosingProxy, CliHost]]:
    """A host behind such a proxy, and a container `far` with a folder."""
    with (
        ClosingProxy() as proxy,
        serving(cli, "old", allowed_hosts=[f"127.0.0.1:{proxy.port}"]) as host,
    ):
        proxy.target = host.port
        env = host.environment
        folder = Path(cli.folder) / "old"
        plant(folder)
        (folder / "zeros").write_bytes(bytes(SIZE))
        (folder / "noise").write_bytes(os.urandom(SIZE))
        assert cli.run("spawn", "--alias", "far", env=env).returncode == 0
        assert cli.run("cp", "-r", str(folder), "far:in/it", env=env).returncode == 0
        yield proxy, host


@pytest.mark.parametrize("name", ["a.tar", "a.tar.zst", "folder"])
def test_a_part_that_ends_as_the_whole_does_is_not_taken_for_it(
    cli: Any, through: tuple[ClosingProxy, CliHost], tmp_path: Path, name: str
):
    proxy, host = through
    env, target = host.reached_at(proxy.url), tmp_path / name
    command = ["cp", "-r"] if name == "folder" else ["export"]
    assert cli.run(*command, "far:in", str(target), env=env).returncode == 0
    proxy.ends_after = (
        SIZE // 2 if name == "a.tar.zst" else 2 * SIZE - SIZE // 2
    )  # within the noise, or the zeros
    done = cli.run(*command, "far:in", str(tmp_path / f"again-{name}"), env=env)
    proxy.ends_after = None
    assert done.returncode == 69, done.stderr
    assert b"no whole archive" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_archive_over_old_http_is_refused_with_what_to_do(
    cli: Any, through: tuple[ClosingProxy, CliHost], tmp_path: Path
):
    _, host = through
    with TcpProxy() as proxy:
        proxy.speaks_old = True
        with serving(cli, "older", allowed_hosts=[f"127.0.0.1:{proxy.port}"]) as older:
            proxy.target = older.port
            assert host.process.poll() is None
            env = older.reached_at(proxy.url)
            done = cli.run("export", "far:in", str(tmp_path / "a.tar"), env=env)
    assert done.returncode == 78, done.stderr
    assert b"proxy_http_version 1.1" in done.stderr
    assert list(tmp_path.iterdir()) == []
