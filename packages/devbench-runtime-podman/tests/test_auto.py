"""``runtime = "auto"``: Podman is taken where Docker does not answer, and containers say so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import devbench_core
from devbench_core.containers import SpawnRequest


async def test_podman_is_taken_where_docker_does_not_answer_and_the_container_says_so(
    podman_host: str, podman_image: Callable[[str], str], tmp_path: Path
):
    values: dict[str, Any] = {
        "runtime": "auto",
        "store": "memory",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "plugin": {
            "docker": {"host": f"unix://{tmp_path}/nobody.sock"},
            "podman": {"host": podman_host},
        },
        "images": {"default": podman_image("busybox"), "pull_policy": "never"},
    }
    async with devbench_core.open(values) as bench:
        assert bench.runtime.name == "podman"
        spawned = await bench.containers.spawn(SpawnRequest())
        assert spawned.container.runtime == "podman"
        await bench.containers.kill(spawned.container.id)
