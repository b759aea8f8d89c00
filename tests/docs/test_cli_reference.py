"""The page about the command line is current, and no command is missing from it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "docs" / "cli_reference.py"
MODULE = runpy.run_path(str(SCRIPT))
PAGE: str = MODULE["PATH"].read_text(encoding="utf-8")
NAMES: list[str] = MODULE["command_names"]()


def test_the_page_is_current():
    assert MODULE["render"]() == PAGE, f"run: uv run python {SCRIPT.relative_to(ROOT)}"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_documented(name: str):
    assert f"# devbench {name}\n" in PAGE


def test_all_commands_that_users_are_promised_exist():
    promised = {"demo", "doctor", "plugins", "config", "serve", "spawn", "ps", "inspect", "exec", "cp", "cat"}
    assert promised | {"ls", "rm", "kill", "images"} <= set(NAMES)
