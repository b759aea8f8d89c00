"""Results travel once as text and once as structured content, and base64 only once."""

from __future__ import annotations

import json

import pytest
from mcp import types

from devbench_core.tool import ToolOutput
from devbench_core.tools.call import ToolResult
from devbench_mcp.origins import Origins
from devbench_mcp.results import success
from devbench_mcp.settings import mcp_settings


def shown(structured: dict[str, object], version: str) -> object:
    result = success(ToolResult(output=ToolOutput(), structured=json.loads(json.dumps(structured))), version)
    assert result.structured_content == structured
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return json.loads(block.text)


def test_long_base64_is_left_out_of_the_text():
    long: dict[str, object] = {"output": [{"stream": "stdout", "base64": "A" * 100}], "text": "A" * 100}
    text = shown(long, "2025-11-25")
    assert text == {
        "output": [{"stream": "stdout", "base64": "(100 characters of base64, see the structured content)"}],
        "text": "A" * 100,
    }


def test_short_base64_is_shown():
    assert shown({"base64": "AP8="}, "2026-07-28") == {"base64": "AP8="}


def test_a_client_without_structured_content_gets_all_in_the_text():
    assert shown({"base64": "A" * 100}, "2025-03-26") == {"base64": "A" * 100}


@pytest.mark.parametrize(
    ("values", "host", "served"),
    [
        ({"host": "::1"}, b"[::1]:8765", True),
        ({"host": "::1"}, b"localhost:8765", True),
        ({"host": "127.0.0.1"}, b"localhost:80", False),
        ({"host": "0.0.0.0"}, b"127.0.0.1:8765", True),  # noqa: S104
        ({"host": "0.0.0.0"}, b"bench.example", False),  # noqa: S104
        ({"host": "192.0.2.1", "allowed_hosts": ["Bench.example"]}, b"bench.EXAMPLE", True),
        ({"host": "192.0.2.1", "allowed_hosts": ["bench.example:443"]}, b"bench.example:443", True),
        ({"host": "192.0.2.1", "allowed_hosts": ["bench.example:443"]}, b"bench.example", False),
        ({"host": "192.0.2.1"}, b"localhost:8765", False),
    ],
)
def test_the_host_header_names_this_host(values: dict[str, object], host: bytes, served: bool):
    origins = Origins(mcp_settings(values), 8765)
    assert origins.host_allowed([host]) is served
    assert not origins.host_allowed([])
    assert not origins.host_allowed([host, host])
