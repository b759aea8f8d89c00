"""No clause waits for ever: what is still going after a while has failed, and is named."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
DEADLINE_S = 60.0
"""The default of the setting ``devbench_kit_deadline_s`` of pytest."""

_limit_s = DEADLINE_S


def limit(seconds: float) -> None:
    """Set how long one clause may take; for the kit's plugin of pytest."""
    global _limit_s  # noqa: PLW0603 - one value for the process, as pytest's settings are
    _limit_s = seconds


def in_time(cls: type[T]) -> type[T]:
    """Give each asynchronous test of a class its deadline."""
    for name, test in vars(cls).copy().items():
        if name.startswith("test_") and inspect.iscoroutinefunction(test):
            setattr(cls, name, _bounded(test))
    return cls


def _bounded(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    @wraps(test)
    async def bounded(*arguments: P.args, **named: P.kwargs) -> None:
        late: Any = None
        try:
            async with asyncio.timeout(_limit_s) as late:
                await test(*arguments, **named)
        except TimeoutError as error:
            if late is not None and late.expired():
                raise AssertionError(f"this is still going on after {_limit_s:g} s") from error
            raise

    return bounded
