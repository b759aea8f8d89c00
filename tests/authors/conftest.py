"""The package of a new plugin, as it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import authoring


@pytest.fixture
def package(kind: str, tmp_path: Path) -> Path:
    """Make the package."""
    folder = tmp_path / "package"
    authoring.make(kind, folder)
    return folder


@pytest.fixture
def run(package: Path, tmp_path: Path) -> authoring.Run:
    """Run Python with arguments in a fresh environment in which the package is installed beside devbench."""
    return authoring.install(package, tmp_path)
