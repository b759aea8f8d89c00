"""A tool that names what is not there costs the host only that tool."""

from __future__ import annotations

import pytest
from mcp import Client

from devbench_core.hookspecs import hookimpl
from devbench_core.tool import Tool, ToolOutput
from harness.toolbox import HARMLESS, Serve, Toolbox


class Mistyped(Toolbox):
    @hookimpl
    def devbench_tools(self) -> list[Tool]:
        odd = Tool(
            name="acme_odd",
            title="Odd",
            description="Names what is not there.",
            input="acme_absent:Input",
            output=ToolOutput,
            hints=HARMLESS,
            scope="read",
            handler="acme_absent:odd",
        )
        return [odd, *super().devbench_tools()]


@pytest.fixture
def toolbox() -> Toolbox:
    return Mistyped()


async def test_it_is_left_out_of_the_list_and_logged_by_name_and_the_others_are_served(
    serve: Serve, era: str, caplog: pytest.LogCaptureFixture
):
    async with serve() as served, Client(served.url, mode=era) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("acme_echo", {"text": "hi"})
    assert "acme_odd" not in names
    assert {"acme_echo", "spawn"} <= names
    assert not result.is_error
    (line,) = [line for line in caplog.messages if "tool.not_listed" in line]
    assert "tool='acme_odd'" in line
    assert "acme_absent:Input" in line


async def test_calling_it_is_an_error_that_says_so_without_internals(serve: Serve, era: str):
    async with serve() as served, Client(served.url, mode=era) as client:
        result = await client.call_tool("acme_odd", {})
    assert result.is_error
    assert "tool 'acme_odd' cannot be used" in str(result.content)
    assert "acme_absent" not in str(result)
