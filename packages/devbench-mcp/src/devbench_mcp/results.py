"""Results and errors as MCP carries them: once as text for the model, once as structured content."""

from __future__ import annotations

import json
from typing import cast
from urllib.parse import unquote

from mcp import types

from devbench_core.errors import DevbenchError
from devbench_core.json_types import JsonObject, JsonValue
from devbench_core.tools.call import ToolResult
from devbench_core.tools.payload import error_payload, error_text

FIRST_WITH_STRUCTURE = "2025-06-18"
"""Clients of older revisions see only the text."""
LINK = "GET it within a few minutes; no token is needed."
BASE64_FIELD = "base64"
SHOWN_MAX_CHARS = 64
"""Longer base64 is left out of the text: it would travel twice, and no model reads it."""


def success(result: ToolResult, protocol_version: str) -> types.CallToolResult:
    """Return a tool's result."""
    shown: JsonValue = result.structured
    if protocol_version >= FIRST_WITH_STRUCTURE:
        shown = _without_base64(result.structured)
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=_compact(shown))]
    if protocol_version >= FIRST_WITH_STRUCTURE:
        content += [_resource_link(url) for url in result.output.resource_links]
    return types.CallToolResult(content=content, structured_content=result.structured)


def failure(error: DevbenchError) -> types.CallToolResult:
    """Return an error that the model can act on."""
    structured: JsonObject = {"error": error_payload(error)}
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=error_text(error))],
        structured_content=structured,
        is_error=True,
    )


def _resource_link(url: str) -> types.ResourceLink:
    name = unquote(url.rpartition("/")[2])
    return types.ResourceLink(type="resource_link", uri=url, name=name, description=LINK)


def _compact(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _without_base64(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_without_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _shortened(key, item) for key, item in cast("JsonObject", value).items()}


def _shortened(key: str, value: JsonValue) -> JsonValue:
    if key == BASE64_FIELD and isinstance(value, str) and len(value) > SHOWN_MAX_CHARS:
        return f"({len(value)} characters of base64, see the structured content)"
    return _without_base64(value)
