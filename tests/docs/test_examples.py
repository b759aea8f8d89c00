"""The documented commands and code run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import devbench_core
from devbench_core.config.load import from_values
from devbench_core.testing.local import LocalPlugin
from devbench_core.testing.moody import LOOSE
from devbench_core.tools.call import call_tool

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INSTALLS = ("uv add", "uv tool", "pip install", "uv run", "devbench-mcp", "devbench serve")
TIMEOUT_S = 100


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def environment(state: Path) -> dict[str, str]:
    """Return the variables of a user with bubblewrap and a state folder of its own."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DEVBENCH_RUNTIME": "bubblewrap",
        "DEVBENCH_STATE_DIR": str(state),
        "NO_COLOR": "1",
    }


@pytest.mark.parametrize("page", ["getting-started.md", "tutorial.md"])
def test_the_commands_of_a_page_run_in_order(page: str, tmp_path: Path):
    scripts = [body for body in blocks(page, "sh") if not any(word in body for word in INSTALLS)]
    assert scripts
    done = subprocess.run(
        ["bash", "-eu", "-c", "\n".join(scripts)],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    # a page that failed in its middle leaves its container, which would outlive this test
    left = ["devbench", "kill", "lab"] if done.returncode else ["true"]
    subprocess.run(left, cwd=tmp_path, env=environment(tmp_path / "state"), timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_of_getting_started_runs(tmp_path: Path):
    (code,) = blocks("getting-started.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "b'hello\\n'" in done.stdout


@pytest.mark.parametrize("page", sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")))
def test_every_configuration_in_the_documentation_is_valid(page: str):
    for body in blocks(page, "toml"):
        values = tomllib.loads(body)
        if "project" not in values:
            from_values(values)


async def test_the_plugin_of_the_guide_adds_its_tool(tmp_path: Path):
    code = blocks("guides/plugins.md", "python")[0]
    space: dict[str, object] = {"__name__": "acme_hello"}
    exec(compile(code, "acme_hello.py", "exec"), space)  # noqa: S102 - the documentation's own code
    config: dict[str, object] = {
        "plugins": [],
        "runtime": "local",
        "store": "memory",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "policy": LOOSE,
    }
    async with devbench_core.open(config, plugins=[LocalPlugin(), space["plugin"]]) as bench:
        answer = await call_tool(bench, "hello", {"name": "you"})
    assert answer.structured["greeting"] == f"hello you from {bench.installation}"
