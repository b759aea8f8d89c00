"""Builds the wheel and the sdist of every package, as for a release."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from engines.install import Need, install_missing
from engines.progress import say

REPOSITORY = Path(__file__).resolve().parents[2]
DIST = REPOSITORY / "dist"
BUILD_TIMEOUT_S = 900
TEST_TIMEOUT_S = 900
EMULATION = Need(
    probe="qemu-aarch64-static", package="qemu-user-static", why="running the agent's other architecture"
)
BOTH_ARCHITECTURES = {"DEVBENCH_AGENT_ZIG": "1"}


def uv() -> str:
    """Return the uv that runs us, or the one on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise RuntimeError("uv is not on the path; run: python3 -m pip install uv")
    return found


def run(
    argv: list[str], *, timeout_s: float, env: dict[str, str] | None = None, cwd: Path = REPOSITORY
) -> None:
    """Run one step; its output is shown only when it fails, and then we end."""
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    if done.returncode != 0:
        say(f"failed with {done.returncode}: {' '.join(argv)}\n{done.stdout}")
        sys.exit(1)


def build_all() -> None:
    """Build every package into ``dist/``; the agent's wheel holds both architectures."""
    shutil.rmtree(DIST, ignore_errors=True)
    say("building every wheel and sdist (the agent twice, with zig; the first time takes minutes)")
    argv = [uv(), "build", "--all-packages", "--out-dir", str(DIST)]
    run(argv, timeout_s=BUILD_TIMEOUT_S, env=BOTH_ARCHITECTURES)
    names = sorted(
        path.name for path in (REPOSITORY / "packages").iterdir() if (path / "pyproject.toml").exists()
    )
    for name in names:
        for pattern in (f"{name.replace('-', '_')}-*.whl", f"{name.replace('-', '_')}-*.tar.gz"):
            if len(list(DIST.glob(pattern))) != 1:
                raise RuntimeError(f"there is not exactly one {pattern} in {DIST}")
    say(f"built {len(names)} wheels and sdists")


def test_agent() -> None:
    """Run the tests of the agent's release wheel: both architectures, one of them emulated."""
    install_missing((EMULATION,))
    say("testing the agent's release wheel")
    argv = [
        uv(),
        "run",
        "--no-sync",
        "--with",
        "ziglang",
        "pytest",
        "-q",
        "packages/devbench-agent/tests_wheels",
    ]
    run(argv, timeout_s=TEST_TIMEOUT_S, env=BOTH_ARCHITECTURES)
