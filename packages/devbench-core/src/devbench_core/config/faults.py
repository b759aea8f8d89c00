"""Turns validation errors into sentences that name the setting, the limit and the nearest known name."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from devbench_core.nearest import suggestion


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return one sentence for each fault; no value is shown, since it may be a secret."""
    return [_sentence(fault, model, prefix) for fault in error.errors(include_input=False, include_url=False)]


def _sentence(fault: Mapping[str, Any], model: type[BaseModel], prefix: str) -> str:
    path = [str(part) for part in fault["loc"]]
    name = ".".join([*([prefix] if prefix else []), *path]) or prefix or "configuration"
    if fault["type"] == "extra_forbidden":
        parent = _model_at(model, path[:-1])
        hint = suggestion(path[-1], parent.model_fields if parent else ())
        return f"setting {name!r} is unknown; {hint}" if hint else f"setting {name!r} is unknown"
    return f"setting {name!r}: {str(fault['msg']).lower()}"


def _model_at(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in path:
        field = current.model_fields.get(part) if current else None
        current = inner_model(field.annotation) if field else None
    return current


def inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``Model``, ``Model | None`` or ``list[Model]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        for argument in typing.get_args(annotation):
            found = inner_model(argument)
            if found is not None:
                return found
    return None
