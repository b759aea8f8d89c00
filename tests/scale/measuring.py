"""One measurement: a host of its own with so many containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

COUNTS = (10, 30, 100)
TIMEOUT_S = 600
P95_MS = 100.0
MEMORY_MIB = 300


def measure(count: int) -> Mapping[str, float]:
    """Return what a host of its own took."""
    with tempfile.TemporaryDirectory(prefix="devbench-scale-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # containers run as another user
        config = {
            "runtime": "bubblewrap",
            "store": "sql",
            "images": {"default": "host"},
            "state_dir": str(folder / "state"),
            "cache_dir": str(folder / "cache"),
            "plugin": {"bubblewrap": {"folder": str(folder / "bwrap")}},
        }
        done = subprocess.run(
            [sys.executable, "-m", "harness.crowd", json.dumps(config), str(count)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
        )
    return json.loads(done.stdout.splitlines()[-1])


def missed(row: Mapping[str, float]) -> list[str]:
    """Return which bounds a measurement missed."""
    faults: list[str] = []
    if row["command_p95_ms"] > P95_MS:
        faults.append(f"{row['containers']:g} containers: a command's p95 is {row['command_p95_ms']:.0f} ms")
    if row["host_bytes"] > MEMORY_MIB * 2**20:
        faults.append(f"{row['containers']:g} containers: the host has {row['host_bytes'] / 2**20:.0f} MiB")
    if row["left"]:
        faults.append(f"{row['containers']:g} containers: {row['left']:g} were left")
    return faults
