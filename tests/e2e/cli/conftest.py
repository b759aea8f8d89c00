"""The installed command on real engines: one state folder and one container a module and runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

RUNTIMES = ("bubblewrap", "docker", "podman")
HOST_VARIABLES = {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}
MEASURED = "bubblewrap"
"""The runtime with which the coverage of the command line is measured, which costs each start half as much again."""
TIMEOUT_S = 100.0
TEST_TIMEOUT_S = 300
"""Each command is a process that starts anew, so a test of ten of them takes its time on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder more time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


class Cli:
    """Runs `devbench` as a subprocess, always on the same state folder."""

    def __init__(self, runtime: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.runtime = runtime
        self.folder = folder
        others = {name: value for name, value in os.environ.items() if not name.startswith("DEVBENCH_")}
        others.pop(
            "PYTHONDONTWRITEBYTECODE", None
        )  # compiling everything at each start takes half of the time
        if runtime != MEASURED:
            others = {name: value for name, value in others.items() if not name.startswith("COVERAGE_")}
        self.environment = {**others, **environment}
        self.program = str(Path(sys.executable).with_name("devbench"))

    def argv(self, *arguments: str) -> list[str]:
        return [self.program, *arguments]

    def run(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(*arguments),
            check=False,
            capture_output=True,
            input=stdin,
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            timeout=TIMEOUT_S,
        )

    def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command that must succeed; return its stdout."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.ok(*arguments, "--json"))

    def living(self) -> list[str]:
        return [container["id"] for container in self.json("ps", "--limit", "200")["containers"]]


def environment_of(runtime: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables that point `devbench` at a state folder and at the test engine."""
    found = {
        "DEVBENCH_STATE_DIR": str(folder / "state"),
        "DEVBENCH_CACHE_DIR": str(folder / "cache"),
        "DEVBENCH_RUNTIME": runtime,
        "HOME": str(folder),
    }
    if runtime in HOST_VARIABLES:
        found[HOST_VARIABLES[runtime]] = request.getfixturevalue(f"{runtime}_host")
        image: Callable[[str], str] = request.getfixturevalue(f"{runtime}_image")
        found["DEVBENCH_IMAGES__DEFAULT"] = image("busybox")
    return found


@contextmanager
def opened(runtime: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Generator[Cli]:
    """Give the command on a state folder of its own; every container that is left is killed."""
    folder = factory.mktemp(runtime)
    found = Cli(runtime, folder, environment_of(runtime, folder, request))
    yield found
    living = found.living()
    if living:
        found.ok("kill", *living)
    assert found.living() == []


@pytest.fixture(scope="module")
def cli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Cli]:
    """The command on the embedded default: most of it does not depend on the runtime."""
    with opened("bubblewrap", request, tmp_path_factory) as found:
        yield found


@pytest.fixture(scope="module", params=RUNTIMES)
def each_cli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Cli]:
    """The command on every runtime in turn."""
    with opened(request.param, request, tmp_path_factory) as found:
        yield found


@pytest.fixture(scope="module")
def web(cli: Cli) -> str:
    """A container that the tests of a module share."""
    cli.ok("spawn", "--alias", "web", "--label", "team=blue", "--env", "GREETING=hello")
    return "web"
