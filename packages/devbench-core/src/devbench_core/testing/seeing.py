"""Looks at the machine from outside, and waits for what is to come."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast

T = TypeVar("T")

DEADLINE_S = 30
INTERVAL_S = 0.02


async def until(look: Callable[[], T | Awaitable[T]], wanted: Callable[[T], object] = bool) -> T:
    """Look again and again until what is seen is as wanted, and return it.

    Raises:
        AssertionError: It was not within the deadline.
    """
    deadline = time.monotonic() + DEADLINE_S
    while True:
        seen = look()
        value = cast("T", await seen if inspect.isawaitable(seen) else seen)
        if wanted(value):
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"still {value!r} after {DEADLINE_S} s")
        await asyncio.sleep(INTERVAL_S)


def processes_with(word: str) -> list[int]:
    """Return the machine's processes with a word in their arguments; containers of this kernel are seen too."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if word.encode() in words:
            found.append(int(entry.name))
    return found
