"""One container for each module, runtime and image: a case costs what its file operations cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import pytest_asyncio

import devbench_core
from contract.files.lab import FileLab
from devbench_core.containers import SpawnRequest

PLACES = ("bubblewrap", "docker-debian", "docker-busybox", "docker-empty")
"""Runtimes and images; the last image has nothing in it."""


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Where the cases of a module run."""
    return request.param


@pytest.fixture(scope="module")
def files_config(
    place: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The configuration of a bench on one real runtime."""
    runtime, _, image = place.partition("-")
    folder = tmp_path_factory.mktemp("files")
    values: dict[str, Any] = {
        "runtime": runtime,
        "store": "memory",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "images": {"default": "host"},
    }
    if runtime == "docker":
        host: str = request.getfixturevalue("docker_host")
        reference: Callable[[str], str] = request.getfixturevalue("docker_image")
        values["plugin"] = {"docker": {"host": host}}
        values["images"] = {"default": reference(image), "pull_policy": "never"}
    return values


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(place: str, files_config: dict[str, Any]) -> AsyncGenerator[FileLab]:
    """A container."""
    async with devbench_core.open(files_config) as bench:
        spawned = await bench.containers.spawn(SpawnRequest())
        yield FileLab(
            bench=bench,
            container=spawned.container.id,
            runtime=files_config["runtime"],
            has_shell=place != "docker-empty",
        )
