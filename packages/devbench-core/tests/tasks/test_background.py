"""Owned background tasks."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.tasks import background


async def test_the_blocks_own_error_comes_out_as_it_is():
    with pytest.raises(KeyError):
        async with background():
            raise KeyError("x")


async def test_the_block_waits_for_its_tasks_also_after_an_error():
    done: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    with pytest.raises(KeyError):  # noqa: PT012 - how the block ends is what is tested
        async with background() as tasks:
            tasks.create_task(work())
            raise KeyError("x")
    assert done == [1]


async def test_a_task_that_fails_ends_the_block():
    async def fail() -> None:
        raise ValueError("x")

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - how the block ends is what is tested
        async with background() as tasks:
            tasks.create_task(fail())
            await asyncio.sleep(10)
    assert caught.group_contains(ValueError)
