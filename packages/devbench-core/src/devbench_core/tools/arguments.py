"""Validates a tool's arguments strictly, with errors that name the argument, the limit and the nearest name."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from devbench_core.errors import ValidationFailed
from devbench_core.json_types import JsonValue
from devbench_core.nearest import suggestion
from devbench_core.tool import Tool, ToolInput

NAME_SHOWN_MAX = 80
LIMITS = ("le", "lt", "ge", "gt", "max_length", "min_length", "expected", "pattern")
"""Facts of a fault that say where its limit is, in the order in which one is taken."""


class ArgumentsInvalid(ValidationFailed):
    """Several faults at once: ``details["faults"]`` lists all, ``field`` and ``limit`` are the first one's."""

    def __init__(self, faults: Sequence[tuple[str, str, str, object | None]]) -> None:
        field, problem, hint, limit = faults[0]
        super().__init__(field, problem, hint=hint, limit=limit)
        if len(faults) > 1:
            others = "; ".join(f"{name}: {text}" for name, text, _, _ in faults[1:])
            self.message = f"{self.message}; {others}"
        self.details["faults"] = [
            {"field": name, "problem": text, **({} if most is None else {"limit": most})}
            for name, text, _, most in faults
        ]


def validate(tool: Tool, arguments: Mapping[str, object]) -> ToolInput:
    """Return the tool's input.

    Strict: ``"5"`` is no number and an unknown argument is refused by name.

    Raises:
        ValidationFailed: Names each argument at fault, and the limit.
    """
    try:
        return tool.input.model_validate_json(to_json(arguments), strict=True)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise ArgumentsInvalid([_fault(tool.input, fault) for fault in found]) from None
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise ValidationFailed("arguments", "hold something that JSON cannot carry") from error


def _fault(model: type[BaseModel], fault: ErrorDetails) -> tuple[str, str, str, object | None]:
    path = [str(part)[:NAME_SHOWN_MAX] for part in fault["loc"]]
    name = ".".join(path) or "arguments"
    if fault["type"] == "extra_forbidden":
        parent = _model_at(model, path[:-1])
        return name, "is no argument here", suggestion(path[-1], parent.model_fields if parent else ()), None
    if fault["type"] == "missing":
        parent = _model_at(model, path[:-1])
        return name, "is missing", _description(parent, path[-1]), None
    facts = fault.get("ctx", {})
    limit = next((facts[key] for key in LIMITS if key in facts), None)
    message = fault["msg"]
    problem = message[:1].lower() + message[1:]
    return name, problem, "", limit if isinstance(limit, int | float | str) else None


def _description(model: type[BaseModel] | None, name: str) -> str:
    field = model.model_fields.get(name) if model else None
    return (field.description or "") if field else ""


def _model_at(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in path:
        field = current.model_fields.get(part) if current else None
        current = _inner(field.annotation) if field else None
    return current


def _inner(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``Model`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        for argument in typing.get_args(annotation):
            found = _inner(argument)
            if found is not None:
                return found
    return None


JsonArguments = Mapping[str, JsonValue]
