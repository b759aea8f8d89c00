"""The clauses of contracts: what each test holds a plugin to, and where that is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")
_STATED_BY = "__devbench_stated_by__"


def stated_by(*sources: object) -> Callable[[T], T]:
    """Mark a test, or all of a class, with the parts of a contract whose docstrings state its clause.

    A property is given as its class and its name.
    """

    def mark(test: T) -> T:
        setattr(test, _STATED_BY, sources)
        return test

    return mark


def clause_of(test: str) -> str:
    """Return the clause in words: a test's name is a sentence."""
    return test.partition("[")[0].removeprefix("test_").replace("_", " ")


def sources_of(function: object, cls: type[Any] | None) -> tuple[object, ...]:
    """Return what states a test's clause, nothing when the test is not of a contract."""
    return getattr(function, _STATED_BY, None) or getattr(cls, _STATED_BY, ())


def explanation(test: str, sources: tuple[object, ...]) -> str:
    """Return the clause and the docstrings that state it, for whoever reads a failure."""
    lines = [f"The clause: {clause_of(test)}."]
    for source in sources:
        name, text = _name_and_text(source)
        lines += ["", f"Stated by {name}:", _indented(text)]
    return "\n".join(lines)


def _name_and_text(source: object) -> tuple[str, str]:
    if isinstance(source, tuple):
        owner, attribute = cast("tuple[type[Any], str]", source)
        stated = inspect.getattr_static(owner, attribute)
        return f"{owner.__module__}.{owner.__qualname__}.{attribute}", inspect.getdoc(stated) or ""
    name = f"{getattr(source, '__module__', '')}.{getattr(source, '__qualname__', source)}"
    return name, inspect.getdoc(source) or ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
