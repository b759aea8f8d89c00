"""Puts plugins where an installer would."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, name: str, source: str, *, group: str = "devbench.v1") -> dict[str, str]:
    """Lay a distribution with one plugin into a folder, as an installer would; return the variable to see it."""
    (folder / f"{name}_plugin.py").write_text(source)
    info = folder / f"devbench_{name}-3.2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: devbench-{name}\nVersion: 3.2.1\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}_plugin:plugin\n")
    return {"PYTHONPATH": str(folder)}
