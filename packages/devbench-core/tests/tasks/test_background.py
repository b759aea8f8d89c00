"""Owned background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from devbench_core.tasks import background


async def block(error: Exception | None, work: Callable[[], Awaitable[None]] | None = None) -> None:
    async with background() as tasks:
        if work is not None:
            tasks.create_task(as_coroutine(work))
        if error is not None:
            raise error
        await asyncio.sleep(10)


async def as_coroutine(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def test_the_blocks_own_error_comes_out_as_it_is():
    with pytest.raises(KeyError):
        await block(KeyError("x"))


async def test_the_block_waits_for_its_tasks_also_after_an_error():
    done: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    with pytest.raises(KeyError):
        await block(KeyError("x"), work)
    assert done == [1]


async def test_a_task_that_fails_ends_the_block():
    async def fail() -> None:
        raise ValueError("x")

    with pytest.raises(ExceptionGroup) as caught:
        await block(None, fail)
    assert caught.group_contains(ValueError)
