"""``devbench-mcp`` on each real runtime, over each transport, in each era."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.mcp_program import Address, Tools, http_program, over_http, over_stdio, shared_program, toml

Configure = Callable[..., Path]
Connect = Callable[[Path], AbstractAsyncContextManager[Tools]]


@pytest.fixture(params=["docker", "podman", "bubblewrap"], scope="module")
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings that choose one real runtime."""
    if request.param == "bubblewrap":
        return {"runtime": "bubblewrap", "images": {"default": "host"}}
    image: Callable[[str], str] = request.getfixturevalue(f"{request.param}_image")
    return {
        "runtime": request.param,
        "plugin": {request.param: {"host": request.getfixturevalue(f"{request.param}_host")}},
        "images": {"default": image("busybox"), "pull_policy": "never"},
    }


def written(folder: Path, values: Mapping[str, Any]) -> Path:
    """Write a configuration whose state is in a folder of its own."""
    folders = {"store": "sql", "state_dir": str(folder / "state"), "cache_dir": str(folder / "cache")}
    path = folder / "devbench.toml"
    path.write_text(toml({**folders, **values}), encoding="utf-8")
    return path


@pytest.fixture
def configure(settings: dict[str, Any], tmp_path: Path) -> Configure:
    """Return a function that writes a configuration for one real runtime, with what a test adds."""

    def write(**more: Any) -> Path:
        return written(tmp_path, {**settings, **more})

    return write


@pytest.fixture(params=["legacy", "2026-07-28"])
def era(request: pytest.FixtureRequest) -> str:
    """The handshake era (2025-11-25) and the stateless one."""
    return request.param


@pytest.fixture(params=["stdio", "http"])
def connect(request: pytest.FixtureRequest, era: str) -> Connect:
    """Return a function that runs the program with a configuration and connects a client."""

    @asynccontextmanager
    async def through_http(config: Path) -> AsyncGenerator[Tools, None]:
        async with http_program(config) as program, over_http(program.url, era) as tools:
            yield tools

    def through_stdio(config: Path) -> AbstractAsyncContextManager[Tools]:
        return over_stdio(config, era)

    return through_stdio if request.param == "stdio" else through_http


@pytest.fixture(scope="module")
def program(
    settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Generator[Address, None, None]:
    """The program over HTTP on one real runtime, shared by the tests of a file."""
    with shared_program(written(tmp_path_factory.mktemp("shared"), settings)) as address:
        yield address
