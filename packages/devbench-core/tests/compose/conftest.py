"""Installs small plugins for real, as distributions on the import path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from devbench_core.compose import GROUP

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a one-module plugin the way pip does: module, metadata, entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    modules: list[str] = []

    def add(
        name: str,
        source: str,
        *,
        distribution: str = "",
        version: str = "1.0",
        groups: Sequence[str] = (GROUP,),
    ) -> Path:
        distribution = distribution or f"acme-{name}"
        module = f"acme_{distribution.replace('-', '_')}"
        modules.append(module)
        (site / f"{module}.py").write_text(source)
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        points = "\n".join(f"[{group}]\n{name} = {module}:plugin" for group in groups)
        (info / "entry_points.txt").write_text(f"{points}\n")
        return info

    yield add
    for module in modules:
        sys.modules.pop(module, None)
