"""The JSON schemas of a tool, and what is looked at in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from devbench_core.tool import Tool

SAMPLES: tuple[object, ...] = ({}, [], True, "5", 1.5, None)
"""A value of each kind that JSON knows; text that looks like a number is still none."""


def arguments_of(tool: Tool) -> dict[str, Any]:
    """Return the schema of a tool's arguments."""
    return tool.input.model_json_schema(mode="validation")


def result_of(tool: Tool) -> dict[str, Any]:
    """Return the schema of a tool's result, as clients check it."""
    return tool.output.model_json_schema(mode="validation")


def validator(schema: dict[str, Any]) -> Any:
    """Return what checks values against a schema."""
    import jsonschema

    return jsonschema.Draft202012Validator(schema)


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of a schema that has properties, with where it is."""
    if isinstance(schema, list):
        for number, item in enumerate(cast("list[Any]", schema)):
            yield from objects(item, f"{path}[{number}]")
    if isinstance(schema, dict):
        table = cast("dict[str, Any]", schema)
        if isinstance(table.get("properties"), dict):
            yield path, table
        for key, value in table.items():
            yield from objects(value, f"{path}.{key}")


def words_of(tools: Sequence[Tool]) -> set[str]:
    """Return the names of tools, and of all their arguments and fields of results."""
    known = {tool.name for tool in tools}
    for tool in tools:
        for schema in (arguments_of(tool), result_of(tool)):
            for _, part in objects(schema):
                known |= set(part["properties"])
    return known


def agree(faults: Sequence[str]) -> None:
    """Fail with all faults of all tools together."""
    assert not faults, "\n".join(faults)
