"""One converter for all values: times as ISO 8601 in UTC, enums by value, paths as text.

Unknown keys are ignored on reading, so that an older host can read what a newer one wrote. Types are strict
otherwise: cattrs by itself would turn ``"5"`` into 5 and 5 into ``"5"``, which hides damage.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn
from cattrs.preconf.json import make_converter

from devbench_core.errors import StoreFailed
from devbench_core.json_types import JsonObject

T = TypeVar("T")
PROBLEMS_MAX_CHARS = 500
_converter = make_converter(prefer_attrib_converters=False, forbid_extra_keys=False)


def _write_time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"time without a zone: {value!r}")
    return value.astimezone(UTC).isoformat()


def _exactly(*accepted: type) -> Callable[[Any, Any], Any]:
    """Return a hook for a plain type, and for the enums that derive from it (cattrs gives them the same hook)."""

    def read(value: Any, type_: type[Any]) -> Any:
        if type(value) not in accepted:
            raise TypeError(f"expected {accepted[0].__name__}, found {type(value).__name__}")
        return type_(value)

    return read


_read_text = _exactly(str)


def _read_time(value: Any, _type: object) -> datetime:
    moment = datetime.fromisoformat(_read_text(value, str))
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {value!r}")
    return moment.astimezone(UTC)


def _read_path(value: Any, _type: object) -> PurePosixPath:
    return PurePosixPath(_read_text(value, str))


def _is_tuple(type_: Any) -> bool:
    arguments = get_args(type_)
    return get_origin(type_) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis


def _read_tuple(value: Any, type_: Any) -> tuple[Any, ...]:
    """Take only a list, since text and objects can be iterated over too."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return tuple(_converter.structure(item, get_args(type_)[0]) for item in cast("list[Any]", value))


def _only_objects(type_: type[Any]) -> Callable[[Any, Any], Any]:
    """Take only an object, since text answers ``in`` too and would give a value of nothing but defaults."""
    inner = make_dict_structure_fn(type_, _converter)

    def read(value: Any, wanted: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, found {type(value).__name__}")
        return inner(cast("dict[str, Any]", value), wanted)

    return read


_converter.register_unstructure_hook(datetime, _write_time)
_converter.register_structure_hook(datetime, _read_time)
_converter.register_unstructure_hook(PurePosixPath, str)
_converter.register_structure_hook(PurePosixPath, _read_path)
_converter.register_structure_hook_func(_is_tuple, _read_tuple)
for _plain, _accepted in ((str, (str,)), (bool, (bool,)), (int, (int,)), (float, (float, int))):
    _converter.register_structure_hook(_plain, _exactly(*_accepted))
_converter.register_structure_hook_factory(attrs.has, _only_objects)


def to_json(value: object) -> JsonObject:
    """Return a frozen value as a JSON object.

    Raises:
        ValueError: It holds a time without a zone; a fault of the program.
    """
    return cast("JsonObject", _converter.unstructure(value))


def from_json(type_: type[T], data: JsonObject) -> T:
    """Return the value that `to_json` wrote.

    Raises:
        StoreFailed: The data do not describe such a value; names the type and the fields.
    """
    try:
        return _converter.structure(data, type_)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError) as error:
        problems = _problems(error)[:PROBLEMS_MAX_CHARS]
        raise StoreFailed(
            f"a stored {type_.__name__} cannot be read: {problems}",
            hint="it was written by another version of devbench, or the store is damaged",
        ) from error


def _problems(error: Exception) -> str:
    if isinstance(error, cattrs.BaseValidationError):
        return "; ".join(cattrs.transform_error(error, format_exception=_problem))
    return str(error)


def _problem(error: BaseException, _type: type | None) -> str:
    if isinstance(error, KeyError):
        return "is missing"
    return str(error)
