"""A bench of which every part fails, or never answers, to see what a tool makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Self, cast

import attrs

from devbench_core.bench import Bench


class Failing:
    """Something of which every use raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


class Silent:
    """Something that can be asked for everything and does not answer before it is cancelled.

    Then it answers, so that whoever was cancelled can tidy up.
    """

    def __init__(self) -> None:
        self._is_over = False

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_args: object, **_options: object) -> Silent:
        return self

    def __await__(self) -> Generator[Any, None, Silent]:
        yield from self._wait().__await__()
        return self

    def __aiter__(self) -> Silent:
        return self

    async def __anext__(self) -> object:
        await self._wait()
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        await self._wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._wait()

    async def _wait(self) -> None:
        if self._is_over:
            await asyncio.sleep(0)
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._is_over = True
            raise


def with_parts(bench: Bench, part: Failing | Silent) -> Bench:
    """Return the bench with this instead of everything that a tool works with."""
    instead = cast("Any", part)
    return attrs.evolve(
        bench, services=instead, runtime=instead, store=instead, lock=instead, scanners=(instead,)
    )
