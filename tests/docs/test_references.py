"""The generated pages are current, so nothing that they list can be undocumented."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["config_reference", "error_reference", "hooks_reference", "metrics_reference"]
)
def test_a_generated_page_is_current(name: str):
    script = ROOT / "scripts" / "docs" / f"{name}.py"
    module = runpy.run_path(str(script))
    page: Path = module["PATH"]
    assert page.read_text(encoding="utf-8") == module["render"](), (
        f"run: uv run python {script.relative_to(ROOT)}"
    )


def test_every_decision_is_listed_in_the_index():
    folder = ROOT / "docs" / "development" / "adrs"
    index = (folder / "index.md").read_text(encoding="utf-8")
    for record in folder.glob("[0-9]*.md"):
        assert f"({record.name})" in index, record.name


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = str(page.relative_to(ROOT / "docs"))
        if not name.startswith("development/adrs/0"):
            assert name in navigation, name
