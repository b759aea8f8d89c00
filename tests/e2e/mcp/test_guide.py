"""What the guide to MCP clients says is true."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from devbench_core.config.load import from_values
from devbench_mcp.callers import Callers
from devbench_mcp.main import parser
from devbench_mcp.settings import mcp_settings
from harness.mcp_program import Address

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "mcp-clients.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


async def test_its_python_asks_a_host_for_its_status(program: Address, capsys: pytest.CaptureFixture[str]):
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), names)  # noqa: S102 - our own page
    ask = cast("Callable[[str, str], Awaitable[None]]", names["status"])
    await ask(program.url, "any-token-on-loopback")
    assert capsys.readouterr().out.strip() in {"docker", "podman", "bubblewrap"}


def test_its_configurations_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "dashboard").write_text("a-token-of-sixteen-characters")
    monkeypatch.setenv("AGENT_TOKEN", "another-token-of-sixteen")
    found = blocks("toml")
    assert len(found) == 2
    for text in found:
        values = tomllib.loads(text.replace("/run/secrets", str(tmp_path)))
        settings = mcp_settings(from_values(values).mcp)
        assert Callers.of(settings).needed == bool(settings.tokens)


def test_its_client_tables_are_json_and_start_the_program_with_options_that_exist():
    stdio, http = (json.loads(text)["mcpServers"]["devbench"] for text in blocks("json"))
    assert stdio["command"] == "devbench-mcp"
    assert parser().parse_args(stdio["args"]).transport == "stdio"
    assert http["url"].endswith("/mcp")


def test_its_commands_have_options_that_exist():
    for line in "".join(blocks("console")).splitlines():
        program, *arguments = line.split()
        assert program == "devbench-mcp"
        parser().parse_args(arguments)
