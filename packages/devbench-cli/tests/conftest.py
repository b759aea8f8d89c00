"""Runs the installed command on a state folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.databases import URL
from harness.postgres import Server

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]
TIMEOUT_S = 60.0


def program() -> str:
    """Return the path of the installed command."""
    return str(Path(sys.executable).with_name("devbench"))


def clean_environment() -> dict[str, str]:
    """Return this process's environment without anything that configures devbench."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DEVBENCH_")}


@pytest.fixture
def devbench(tmp_path: Path) -> Devbench:
    """Run `devbench` with arguments in an empty folder; stdin is empty unless given."""

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        prefix: list[str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        private = {
            "HOME": str(tmp_path),
            "DEVBENCH_STATE_DIR": str(tmp_path / "state"),
            "DEVBENCH_CACHE_DIR": str(tmp_path / "cache"),
        }
        return subprocess.run(
            [*(prefix or []), program(), *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            cwd=tmp_path,
            env={**clean_environment(), **private, **(env or {})},
            timeout=TIMEOUT_S,
        )

    return run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the folder that holds the state of `devbench`."""
    return tmp_path / "state"


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def kept(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the variables that choose a database; an empty one each time."""
    if request.param == "SQLite":
        return {}
    server: Server = request.getfixturevalue("postgres_server")
    return {URL: server.database()}
