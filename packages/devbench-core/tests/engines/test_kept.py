"""A helper container is removed however its block ends, also when nobody waited for its making."""

import asyncio
from typing import Any

import pytest

from devbench_core.engines.http_calls import kept


class Helpers:
    """An engine with one helper, which takes its time."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = asyncio.Event()
        self.there: list[str] = []

    async def create(self) -> dict[str, Any]:
        self.asked.set()
        await self.may_answer.wait()
        self.there.append("helper")
        return {"Id": "helper"}

    async def remove(self, name: str) -> None:
        await asyncio.sleep(0)
        self.there.remove(name)


async def test_it_is_there_for_the_length_of_the_block():
    helpers = Helpers()
    helpers.may_answer.set()
    async with kept(helpers.create, helpers.remove) as name:
        assert helpers.there == [name]
    assert helpers.there == []


async def test_it_goes_with_a_block_that_fails():
    helpers = Helpers()
    helpers.may_answer.set()
    with pytest.raises(RuntimeError):
        async with kept(helpers.create, helpers.remove):
            raise RuntimeError
    assert helpers.there == []


async def test_who_is_cancelled_while_it_is_made_removes_it_still():
    helpers = Helpers()

    async def use() -> None:
        async with kept(helpers.create, helpers.remove):
            pytest.fail("nobody waits any more")

    using = asyncio.create_task(use())
    await helpers.asked.wait()
    using.cancel()
    await asyncio.sleep(0)
    helpers.may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert helpers.there == []
