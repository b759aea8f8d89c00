"""The release wheel, built once: both architectures from zig."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2]
BUILD_TIMEOUT_S = 1200

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, or the one that DEVBENCH_AGENT_WHEEL names (the first build with zig takes minutes)."""
    given = os.environ.get("DEVBENCH_AGENT_WHEEL")
    if given:
        return Path(given)
    out = tmp_path_factory.mktemp("wheel")
    command = ["uv", "build", "--wheel", "--out-dir", str(out), str(PACKAGE)]
    environment = os.environ | {"DEVBENCH_AGENT_ZIG": "1"}
    subprocess.run(command, check=True, timeout=BUILD_TIMEOUT_S, env=environment)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder from the wheel, with the modes that an installer gives."""
    out = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            path = Path(archive.extract(info, out))
            path.chmod(info.external_attr >> 16 & 0o777)
    return out / "devbench_agent"
