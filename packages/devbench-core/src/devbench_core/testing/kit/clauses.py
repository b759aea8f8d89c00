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
    """Return what states a test's clause, nothing when the test is not of a contract.

    Of a contract that joins others, each test is stated by what states the class that has it.
    """
    return getattr(function, _STATED_BY, None) or getattr(owner_of(function, cls), _STATED_BY, ())


def owner_of(function: object, cls: type[Any] | None) -> type[Any] | None:
    """Return the class, of those that one joins, that has a test."""
    name = getattr(function, "__name__", "")
    return next((each for each in getattr(cls, "__mro__", ()) if name in vars(each)), cls)


def explanation(test: str, sources: tuple[object, ...]) -> str:
    """Return the clause and the docstrings that state it, for whoever reads a failure."""
    lines = [f"The clause: {clause_of(test)}."]
    for source in sources:
        lines += ["", f"Stated by {name_of(source)}:", _indented(_text_of(source))]
    return "\n".join(lines)


def name_of(source: object) -> str:
    """Return the full name of a part of a contract."""
    if isinstance(source, tuple):
        owner, attribute = cast("tuple[type[Any], str]", source)
        return f"{owner.__module__}.{owner.__qualname__}.{attribute}"
    return f"{getattr(source, '__module__', '')}.{getattr(source, '__qualname__', source)}"


def _text_of(source: object) -> str:
    if isinstance(source, tuple):
        owner, attribute = cast("tuple[type[Any], str]", source)
        return inspect.getdoc(inspect.getattr_static(owner, attribute)) or ""
    return inspect.getdoc(source) or ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
