"""The guides say nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
GUIDES = REPOSITORY / "docs" / "guides"
KIT = REPOSITORY / "packages/devbench-core/src/devbench_core/testing/kit"
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def defined() -> set[str]:
    folders = (REPOSITORY / "tests", *(REPOSITORY / "packages").glob("*/tests"))
    files = [file for folder in folders for file in folder.rglob("test_*.py")]
    files += KIT.glob("*.py")
    return {name for file in files for name in DEFINED.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("guide", "least"),
    [
        ("commands.md", 30),
        ("shells.md", 30),
        ("files.md", 10),
        ("mcp-clients.md", 15),
        ("postgresql.md", 15),
        ("api-evolution.md", 20),
        ("cleanup.md", 5),
        ("upgrading.md", 7),
        ("recovery.md", 1),
        ("several-hosts.md", 8),
    ],
)
def test_every_test_that_a_guide_names_is_there(guide: str, least: int):
    named = set(NAMED.findall((GUIDES / guide).read_text(encoding="utf-8")))
    assert len(named) > least
    assert named - defined() == set()


@pytest.mark.parametrize(("guide", "least"), [("tuning.md", 12), ("cleanup.md", 7), ("recovery.md", 1)])
def test_an_operators_guide_names_settings_and_metrics_that_there_are(guide: str, least: int):
    text = (GUIDES / guide).read_text(encoding="utf-8")
    reference = REPOSITORY / "docs" / "reference"
    metrics = (reference / "metrics.md").read_text(encoding="utf-8")
    assert {name for name in re.findall(r"`(devbench_\w+)", text) if f"| `{name}` |" not in metrics} == set()
    configuration = (reference / "configuration.md").read_text(encoding="utf-8")
    tables = re.split(r"^## `\[(.+?)\]`$", configuration, flags=re.MULTILINE)
    known = {
        f"{table}.{name}"
        for table, body in zip(tables[1::2], tables[2::2], strict=True)
        for name in re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)
    }
    named = set(re.findall(r"`((?:plugin\.)?[a-z]+\.[a-z_]+)(?:`| =)", text))
    assert len(named) >= least
    assert named - known == set()
