"""Files beneath a further root than the workspace, through the command line."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from e2e.cli.conftest import RUNTIMES, Cli, opened


@pytest.fixture(scope="module", params=RUNTIMES)
def with_root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Cli]:
    """The command with a configuration that opens /tmp."""
    with opened(request.param, request, tmp_path_factory) as found:
        found.environment["DEVBENCH_POLICY__FILE_ROOTS"] = '["/tmp"]'
        found.ok("spawn", "--alias", "box")
        yield found


def test_every_command_for_files_takes_a_path_in_the_root(with_root: Any, tmp_path: Path):
    cli = with_root
    cli.ok("write", "box:/tmp/job/in", stdin=b"one\ntwo\n")
    assert cli.ok("cat", "box:/tmp/job/in") == "one\ntwo\n"
    assert cli.ok("exec", "box", "cat", "/tmp/job/in") == "one\ntwo\n"
    cli.ok("mv", "box:/tmp/job/in", "/tmp/job/moved")
    assert cli.ok("find", "box:/tmp", "**/moved") == "/tmp/job/moved\n"
    assert cli.ok("grep", "two", "box:/tmp/job") == "/tmp/job/moved:2:two\n"
    rows = cli.ok("ls", "-R", "box:/tmp/job").splitlines()[1:]
    assert [row.split()[4] for row in rows] == ["/tmp/job/moved"]
    assert cli.ok("ls", "box:/tmp/job").splitlines()[1].split()[4] == "moved"
    cli.ok("cp", "-r", "box:/tmp/job", str(tmp_path / "out"))
    assert (tmp_path / "out/moved").read_text() == "one\ntwo\n"
    cli.ok("cp", "-r", str(tmp_path / "out"), "box:/tmp/back")
    assert cli.ok("cat", "box:/tmp/back/moved") == "one\ntwo\n"


def test_what_lies_beneath_no_root_is_refused_with_those_that_there_are(with_root: Any):
    refused = with_root.run("cat", "box:/etc/passwd")
    assert refused.returncode != 0
    assert b"beneath /workspace or /tmp" in refused.stderr


def test_a_configuration_with_a_wrong_root_says_which(with_root: Any):
    refused = with_root.run("ps", env={"DEVBENCH_POLICY__FILE_ROOTS": '["/tmp", "/proc/self"]'})
    assert refused.returncode != 0
    assert b"policy.file_roots" in refused.stderr
    assert b"number 2 is the kernel's" in refused.stderr
