"""One container for each module and runtime: a case costs what its command costs."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import devbench_core
from contract.commands.lab import Lab
from devbench_core.containers import SpawnRequest

COMPILE_TIMEOUT_S = 60
RUNTIMES = ("bubblewrap", "docker")


@pytest.fixture(scope="session")
def actor(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The program that does what tests want."""
    program = tmp_path_factory.mktemp("actor") / "actor"
    source = Path(__file__).parent / "actor.c"
    subprocess.run(
        ["gcc", "-static", "-Os", "-o", str(program), str(source)], check=True, timeout=COMPILE_TIMEOUT_S
    )
    return program.read_bytes()


@pytest.fixture(scope="module", params=RUNTIMES)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The configuration of a bench on one real runtime."""
    folder = tmp_path_factory.mktemp("commands")
    values: dict[str, Any] = {
        "runtime": request.param,
        "store": "sql",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "images": {"default": "host"},
        "execs": {"grace_s": 0.3},  # what ignores TERM costs a case so much
    }
    if request.param == "docker":
        host: str = request.getfixturevalue("docker_host")
        image: Callable[[str], str] = request.getfixturevalue("docker_image")
        values["plugin"] = {"docker": {"host": host}}
        values["images"] = {"default": image("busybox"), "pull_policy": "never"}
    return values


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(config: dict[str, Any], actor: bytes) -> AsyncGenerator[Lab]:
    """A container with the actor in its workspace."""
    async with devbench_core.open(config) as bench:
        spawned = await bench.containers.spawn(SpawnRequest())
        await bench.files.write(spawned.container.id, "actor", actor, mode=0o755)
        yield Lab(bench=bench, container=spawned.container.id, runtime=config["runtime"])
