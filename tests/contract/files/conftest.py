"""One container for each module, runtime and image: a case costs what its calls cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import devbench_core
from contract.files.lab import FileLab
from contract.files.place import Place, seen_from_outside
from devbench_core.containers import SpawnRequest

KINDS = ("bubblewrap", "docker-debian", "docker-busybox", "docker-empty")
"""A runtime, and which of the test images: nothing of the image is used, so also one with nothing in it will do."""
_numbers = count(1)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which runtime and image."""
    return str(request.param)


@pytest.fixture(scope="module")
def files_config(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The configuration of a bench on one real runtime."""
    folder = tmp_path_factory.mktemp("files")
    runtime, _, image_name = kind.partition("-")
    values: dict[str, Any] = {
        "runtime": runtime,
        "store": "sql",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "images": {"default": "host"},
    }
    if runtime == "docker":
        host: str = request.getfixturevalue("docker_host")
        image: Callable[[str], str] = request.getfixturevalue("docker_image")
        values["plugin"] = {"docker": {"host": host}}
        values["images"] = {"default": image(image_name), "pull_policy": "never"}
    return values


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_place(files_config: dict[str, Any], kind: str) -> AsyncGenerator[Place]:
    """A container."""
    runtime, _, image = kind.partition("-")
    async with devbench_core.open(files_config) as bench:
        spawned = await bench.containers.spawn(SpawnRequest())
        yield Place(bench=bench, container=spawned.container.id, runtime=runtime, image=image, folder=".")


@pytest.fixture(scope="module")
def lab(shared_place: Place) -> FileLab:
    """The same container, for cases that make their folders themselves."""
    return FileLab(
        bench=shared_place.bench,
        container=shared_place.container,
        runtime=shared_place.runtime,
        has_shell=shared_place.image != "empty",
    )


@pytest_asyncio.fixture(loop_scope="module")
async def place(shared_place: Place) -> Place:
    """A folder of its own in that container."""
    folder = f"case-{next(_numbers)}"
    await shared_place.files.mkdir(shared_place.container, folder)
    return Place(
        bench=shared_place.bench,
        container=shared_place.container,
        runtime=shared_place.runtime,
        image=shared_place.image,
        folder=folder,
    )


@pytest_asyncio.fixture(loop_scope="module")
async def outside(place: Place) -> Path:
    """The case's folder as root of this machine sees it."""
    await place.write("marker")
    seen = seen_from_outside(place.at("marker")) / place.folder
    await place.files.delete(place.container, place.at("marker"))
    return seen
