"""Sections of the configuration that cost something only where they are given."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Section:
    """Makes a field call its model rather than hold the model's validators: ``Annotated[Model, Section(Model)]``.

    Pydantic builds the validators of all models beneath one together with its own, which takes longer than all else
    that reading a short configuration does. Such a field's model builds itself when it is given.

    Args:
        model: The field's type.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return what validates and dumps by asking the model; faults keep their places."""
        return core_schema.no_info_plain_validator_function(
            self._model.model_validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_dumped, info_arg=True),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the model's own schema."""
        self._model.model_rebuild()
        return handler(self._model.__pydantic_core_schema__)


def _dumped(value: BaseModel, info: core_schema.SerializationInfo) -> dict[str, Any]:
    return value.model_dump(
        mode=info.mode,
        exclude_unset=info.exclude_unset,
        exclude_defaults=info.exclude_defaults,
        exclude_none=info.exclude_none,
    )
