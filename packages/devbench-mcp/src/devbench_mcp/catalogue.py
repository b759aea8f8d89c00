"""Tools as MCP shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from mcp import types

from devbench_core.logs import get_logger
from devbench_core.tool import Tool

log = get_logger(__name__)

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong; present instead of everything else when isError is true.",
    "properties": {
        "code": {"type": "string", "description": "Stable; branch on it."},
        "message": {"type": "string", "description": "What happened, naming the thing it happened to."},
        "hint": {"type": "string", "description": "What to do about it."},
        "retry": {"type": "boolean", "description": "Whether the same call may succeed later, unchanged."},
        "details": {"type": "object", "description": "Facts for programs, for example field and limit."},
    },
    "required": ["code", "message", "hint", "retry"],
}


def as_mcp(tool: Tool) -> types.Tool:
    """Return a tool as it is listed."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool),
        output_schema=output_schema(tool),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.hints.read_only,
            destructive_hint=tool.hints.destructive,
            idempotent_hint=tool.hints.idempotent,
            open_world_hint=tool.hints.open_world,
        ),
    )


def listed(tools: Iterable[Tool]) -> list[types.Tool]:
    """Return all tools as they are listed; takes a tenth of a second, so keep it off the loop.

    One whose models are not there or give no schema is left out and logged, so that its fault stays its plugin's.
    """
    sound: list[types.Tool] = []
    for tool in tools:
        try:
            sound.append(as_mcp(tool))
        except Exception as error:  # noqa: BLE001 - a plugin's module may raise anything
            log.error("tool.not_listed", tool=tool.name, error=f"{type(error).__name__}: {error}")  # noqa: TRY400
    return sound


def input_schema(tool: Tool) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments: closed, whatever the model's author set."""
    schema = _without_titles(tool.input.model_json_schema(mode="validation"))
    return {**schema, "type": "object", "additionalProperties": False}


def output_schema(tool: Tool) -> dict[str, Any]:
    """Return the JSON schema of a tool's structured result: the tool's own, or an error.

    Clients check structured content against it, some of them for errors too.
    """
    schema = _without_titles(tool.output.model_json_schema(mode="validation"))
    needed = schema.pop("required", [])
    properties = {**schema.get("properties", {}), "error": ERROR_SCHEMA}
    return {
        **schema,
        "type": "object",
        "properties": properties,
        "anyOf": [{"required": needed}, {"required": ["error"]}],
    }


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop the titles that pydantic derives from names: they cost a model's context and tell nothing."""
    _drop(schema)
    return schema


def _drop(node: object) -> None:
    if isinstance(node, list):
        for item in cast("list[object]", node):
            _drop(item)
    if not isinstance(node, dict):
        return
    table = cast("dict[str, object]", node)
    if isinstance(table.get("title"), str):
        del table["title"]
    for key, value in table.items():
        if key in {"properties", "$defs"} and isinstance(value, dict):
            for item in cast("dict[str, object]", value).values():
                _drop(item)
        else:
            _drop(value)
