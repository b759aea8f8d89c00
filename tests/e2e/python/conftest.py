"""A bench on each real runtime."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest


@pytest.fixture(params=["docker", "podman", "bubblewrap"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The configuration of a bench on one real runtime, with a state folder of its own."""
    values: dict[str, Any] = {
        "runtime": request.param,
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "images": {"default": "host"},
    }
    if request.param in ("docker", "podman"):
        host: str = request.getfixturevalue(f"{request.param}_host")
        image: Callable[[str], str] = request.getfixturevalue(f"{request.param}_image")
        values["plugin"] = {request.param: {"host": host}}
        values["images"] = {"default": image("busybox"), "pull_policy": "never"}
    return values


@pytest.fixture
async def bench(config: dict[str, Any]) -> AsyncGenerator[devbench_core.Bench, None]:
    """The opened bench; its containers go with it."""
    async with devbench_core.open(config) as opened:
        yield opened


@pytest.fixture
async def lab(bench: devbench_core.Bench) -> str:
    """The id of a fresh container."""
    return (await bench.containers.spawn(SpawnRequest())).container.id
