"""Validates a tool's arguments strictly, with errors that name the argument, the limit and the nearest name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from devbench_core.config.faults import inner_model
from devbench_core.errors import ValidationFailed
from devbench_core.nearest import suggestion
from devbench_core.tool import Tool, ToolInput

NAME_SHOWN_MAX = 80
FAULTS_MAX = 10
UNKNOWN = "extra_forbidden"
LIMITS = ("le", "lt", "ge", "gt", "max_length", "min_length", "expected", "pattern")
"""Facts of a fault that say where its limit is, in the order in which one is taken."""


Fault = tuple[str, str, str, "object | None"]
"""Argument, problem, hint, limit."""


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
        found.sort(key=lambda fault: fault["type"] != UNKNOWN)  # a wrong name explains what is missing
        raise _joined([_fault(tool.input, fault) for fault in found]) from None
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise ValidationFailed(
            "arguments",
            "hold something that JSON cannot carry",
            hint="a path that is not UTF-8 is written as file:///workspace/… with %FF for a byte",
        ) from error


def _joined(faults: Sequence[Fault]) -> ValidationFailed:
    """Return one error: field and limit are the first fault's, ``details["faults"]`` lists all."""
    field, problem, hint, limit = faults[0]
    error = ValidationFailed(field, problem, hint=hint, limit=limit)
    error.message = "; ".join(f"{name}: {text}" for name, text, _, _ in faults[:FAULTS_MAX])
    error.details["faults"] = [
        {"field": name, "problem": text, **({} if most is None else {"limit": most})}
        for name, text, _, most in faults[:FAULTS_MAX]
    ]
    return error


def _fault(model: type[BaseModel], fault: ErrorDetails) -> Fault:
    path = [str(part)[:NAME_SHOWN_MAX] for part in fault["loc"]]
    name = ".".join(path) or "arguments"
    if fault["type"] == UNKNOWN:
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
        current = inner_model(field.annotation) if field else None
    return current
