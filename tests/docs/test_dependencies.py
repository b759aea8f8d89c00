"""Every dependency has its reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def names(requirements: list[object]) -> set[str]:
    found = {re.split(r"[\[<>=! ;]", r)[0] for r in requirements if isinstance(r, str)}
    return {name for name in found if not name.startswith("devbench-")}


@pytest.mark.parametrize("path", [*ROOT.glob("packages/*/pyproject.toml"), ROOT / "pyproject.toml"], ids=str)
def test_every_dependency_is_explained(path: Path):
    project = tomllib.loads(path.read_text(encoding="utf-8"))
    wanted = names(project["project"].get("dependencies", [])) | names(
        project.get("build-system", {}).get("requires", [])
    )
    for group in (
        *project["project"].get("optional-dependencies", {}).values(),
        *project.get("dependency-groups", {}).values(),
    ):
        wanted |= names(group)
    page = (ROOT / "docs" / "development" / "dependencies.md").read_text(encoding="utf-8")
    explained = {
        word.strip()
        for line in page.splitlines()
        if line.startswith("| ")
        for word in re.split(r"[,|]", line)
    }
    assert wanted <= explained, sorted(wanted - explained)
