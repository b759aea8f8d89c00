"""What a tool promises before it is called: its names, words, schemas and hints."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence

import pytest

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import ALL_SCOPES
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.tool_schemas import (
    agree,
    arguments_of,
    objects,
    result_of,
    validator,
    words_of,
)
from devbench_core.tool import Tool, ToolHints

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_MAX = 64
DESCRIPTION_MIN, DESCRIPTION_MAX = 40, 1000


def codes(cls: type[DevbenchError] = DevbenchError) -> Iterator[str]:
    """Yield the codes of all errors."""
    yield cls.code
    for further in cls.__subclasses__():
        yield from codes(further)


@stated_by(Tool)
class ToolShapesContract:
    """What a plugin's tools promise before they are called. Needs the fixture ``tools``: a sequence of them."""

    @pytest.fixture
    def vocabulary(self) -> Collection[str]:
        """Give further words that descriptions may name in backticks: values, and tools of other plugins."""
        return ()

    def test_names_are_unique_and_snake_case(self, tools: Sequence[Tool]):
        names = [tool.name for tool in tools]
        assert names, "give at least one tool"
        faults = [f"{name!r} is not snake_case" for name in names if not NAME.fullmatch(name)]
        faults += [f"{name!r} is longer than {NAME_MAX} characters" for name in names if len(name) > NAME_MAX]
        agree([*faults, *(f"{name!r} is there twice" for name in names if names.count(name) > 1)])

    def test_a_description_teaches_but_does_not_flood(self, tools: Sequence[Tool]):
        faults = [f"{tool.name} has no title" for tool in tools if not tool.title.strip()]
        for tool in tools:
            length = len(tool.description.strip())
            if not DESCRIPTION_MIN <= length <= DESCRIPTION_MAX:
                faults.append(
                    f"the description of {tool.name} has {length} characters, "
                    f"not {DESCRIPTION_MIN}-{DESCRIPTION_MAX}"
                )
        agree(faults)

    def test_every_name_in_backticks_is_there(self, tools: Sequence[Tool], vocabulary: Collection[str]):
        known = {*words_of(tools), *codes(), *vocabulary}
        agree(
            [
                f"the description of {tool.name} speaks of {word!r}"
                for tool in tools
                for word in re.findall(r"`([^`]+)`", tool.description)
                if not set(word.split(".")) <= known
            ]
        )

    def test_schemas_are_valid_with_an_object_at_their_root(self, tools: Sequence[Tool]):
        for tool in tools:
            for schema in (arguments_of(tool), result_of(tool)):
                validator(schema).check_schema(schema)
                assert schema.get("type") == "object", f"{tool.name}: the root is no object"
                json.dumps(schema)

    def test_arguments_are_closed_at_every_level(self, tools: Sequence[Tool]):
        agree(
            [
                f"{tool.name}{path} takes arguments that it does not declare"
                for tool in tools
                for path, part in objects(arguments_of(tool))
                if part.get("additionalProperties") is not False
            ]
        )

    def test_results_hold_declared_fields_only(self, tools: Sequence[Tool]):
        agree(
            [
                f"the result of {tool.name}{path} holds fields that it does not declare"
                for tool in tools
                for path, part in objects(result_of(tool))
                if part.get("additionalProperties", False) is not False
            ]
        )

    def test_every_field_of_arguments_and_results_is_described(self, tools: Sequence[Tool]):
        agree(
            [
                f"{tool.name}{path}.{name} has no description"
                for tool in tools
                for schema in (arguments_of(tool), result_of(tool))
                for path, part in objects(schema)
                for name, field in part["properties"].items()
                if not field.get("description")
            ]
        )

    @stated_by(ToolHints)
    def test_hints_agree_with_each_other_and_with_the_scope(self, tools: Sequence[Tool]):
        faults: list[str] = []
        for tool in tools:
            hints = tool.hints
            if tool.scope not in ALL_SCOPES:
                faults.append(f"{tool.name}: there is no scope {tool.scope!r}")
            if hints.read_only and hints.destructive:
                faults.append(f"{tool.name} is read-only and destructive")
            if hints.read_only and tool.scope != "read":
                faults.append(f"{tool.name} is read-only and needs the scope {tool.scope!r}")
            if hints.destructive and tool.scope == "read":
                faults.append(f"{tool.name} is destructive and needs only the scope 'read'")
        agree(faults)
