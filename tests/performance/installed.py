"""What somebody has who installs devbench: its wheels in an environment of their own, and nothing of a developer's."""

from __future__ import annotations

import sys
from pathlib import Path

from wheels.build import REPOSITORY, run, uv

PLUGINS = ("bubblewrap", "docker", "sql")
PACKAGES = (
    *("devbench-agent", "devbench-core", "devbench-cli", "devbench-mcp"),
    *("devbench-runtime-bubblewrap", "devbench-runtime-docker", "devbench-store-sql"),
)
TIMEOUT_S = 600


def install(folder: Path) -> Path:
    """Build the wheels, install them with three plugins, and return the folder of the programs.

    What they need is installed in the versions of ``uv.lock``, and compiled, as an installer does it.
    """
    wheels, locked, place = folder / "wheels", folder / "locked.txt", folder / "installed"
    python = place / "bin" / "python"
    export = ("export", "-q", "--frozen", "--all-packages", "--no-emit-workspace", "--no-hashes")
    for name in PACKAGES:
        run([uv(), "build", "-q", "--wheel", "--package", name, "-o", str(wheels)], timeout_s=TIMEOUT_S)
    run([uv(), *export, "-o", str(locked)], timeout_s=TIMEOUT_S)
    run([uv(), "venv", "-q", "--python", sys.executable, str(place)], timeout_s=TIMEOUT_S)
    files = [str(path) for path in sorted(wheels.glob("*.whl"))]
    target = ("--python", str(python), "--compile-bytecode", "--constraint", str(locked))
    run([uv(), "pip", "install", "-q", *target, *files], timeout_s=TIMEOUT_S, cwd=REPOSITORY)
    return python.parent
