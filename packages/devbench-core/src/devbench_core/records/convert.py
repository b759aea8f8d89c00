"""One converter for all values: times as ISO 8601 in UTC, enums by value, paths as text.

Unknown keys are ignored on reading, so that an older host can read what a newer one wrote.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

import cattrs
from cattrs.preconf.json import make_converter

from devbench_core.errors import StoreFailed
from devbench_core.json_types import JsonObject

T = TypeVar("T")
_converter = make_converter(prefer_attrib_converters=False, forbid_extra_keys=False)


def _write_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _read_time(value: Any, _type: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {value!r}")
    return moment


def _read_path(value: Any, _type: object) -> PurePosixPath:
    return PurePosixPath(str(value))


_converter.register_unstructure_hook(datetime, _write_time)
_converter.register_structure_hook(datetime, _read_time)
_converter.register_unstructure_hook(PurePosixPath, str)
_converter.register_structure_hook(PurePosixPath, _read_path)


def to_json(value: object) -> JsonObject:
    """Return a frozen value as a JSON object."""
    return cast("JsonObject", _converter.unstructure(value))


def from_json(type_: type[T], data: JsonObject) -> T:
    """Return the value that `to_json` wrote.

    Raises:
        StoreFailed: The data do not describe such a value; names the type and the fields.
    """
    try:
        return _converter.structure(data, type_)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError) as error:
        problems = cattrs.transform_error(error) if isinstance(error, cattrs.BaseValidationError) else [str(error)]
        raise StoreFailed(
            f"a stored {type_.__name__} cannot be read: {'; '.join(problems)[:500]}",
            hint="it was written by another version, or the store is damaged",
        ) from error
