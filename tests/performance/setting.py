"""Where the measurements run, and how many rounds."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class Setting:
    """One run of the benchmark.

    Attributes:
        folder: Private folder for configurations and state.
        docker_host: The engine.
        podman_host: Podman's service.
        image: A small image that is there already.
        full_image: One with the programs of a usual distribution.
        slow: Rounds of what takes a tenth of a second.
        kills: Rounds of kills, whose bound is close to what the engine itself takes.
        quick: Rounds of what takes milliseconds.
        floor: Rounds of the trivial tool call.
        burst: Commands in one burst of many callers through devbench.
        burst_raw: The same on the raw engine.
        small: Trivial commands alone, and at most beside a stream.
        stream_mib: Size of that stream.
        outputs: Rounds of reading a large output.
        output_mb: Its size.
    """

    folder: Path
    docker_host: str
    podman_host: str = ""
    image: str = "devbench-test/busybox:latest"
    full_image: str = "devbench-test/debian:latest"
    slow: int = 12
    kills: int = 40
    quick: int = 100
    floor: int = 200
    burst: int = 1000
    burst_raw: int = 60
    small: int = 1000
    stream_mib: int = 1024
    outputs: int = 10
    output_mb: int = 100

    @classmethod
    def from_environment(cls, folder: Path, *, short: bool) -> Setting:
        """Read where the engine is; ``short`` gives a smoke run."""
        host = os.environ.get("DEVBENCH_TEST_DOCKER_HOST") or os.environ["DOCKER_HOST"]
        podman_host = os.environ["DEVBENCH_TEST_PODMAN_HOST"]
        if short:
            return cls(
                folder=folder,
                docker_host=host,
                podman_host=podman_host,
                slow=3,
                kills=3,
                quick=10,
                floor=20,
                burst=100,
                burst_raw=20,
                small=50,
                stream_mib=64,
                outputs=2,
                output_mb=10,
            )
        return cls(folder=folder, docker_host=host, podman_host=podman_host)

    def write_config(
        self, name: str, *, runtime: str, host: str = "", plugins: Sequence[str] | None = None
    ) -> Path:
        """Write a configuration with a state folder of its own, and the plugins that it names; else all of ours."""
        lines = [] if plugins is None else [f"plugins = {json.dumps(list(plugins))}"]
        lines += [
            f"runtime = {json.dumps(runtime)}",
            'store = "sql"',
            f"state_dir = {json.dumps(str(self.folder / name))}",
            f"cache_dir = {json.dumps(str(self.folder / 'cache'))}",
            "[execs]",
            "concurrent_per_container = 20",
        ]
        if host:
            lines += [f"[plugin.{runtime}]", f"host = {json.dumps(host)}"]
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path
