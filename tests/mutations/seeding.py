"""Faults that are seeded where core speaks with the agent, beneath a host on fakes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

Patch = Callable[[pytest.MonkeyPatch], None]
Seed = TypeVar("Seed", bound=Patch)


def always(value: object) -> Callable[..., Any]:
    """Return a function that returns a value whatever it is given."""

    def given(*_arguments: object, **_named: object) -> object:
        return value

    return given


def nothing(patches: pytest.MonkeyPatch) -> None:
    """Seed no fault."""
    _ = patches


@contextmanager
def seeded(patch: Patch) -> Generator[None]:
    """Have a fault while the block lasts."""
    with pytest.MonkeyPatch.context() as patches:
        patch(patches)
        yield


def fault(faults: dict[str, Patch], sentence: str) -> Callable[[Seed], Seed]:
    """Enter a fault."""

    def enter(patch: Seed) -> Seed:
        faults[sentence] = patch
        return patch

    return enter
