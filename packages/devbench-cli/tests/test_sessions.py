"""Sessions with a host that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from mcp import Client

from devbench_cli.backends.sessions import Sessions

DEADLINE_S = 10.0


async def test_one_that_is_being_opened_holds_nobody_up_at_the_end():
    reached = asyncio.Event()

    @asynccontextmanager
    async def silent() -> AsyncGenerator[Client]:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")
        yield  # pyright: ignore[reportUnreachable] - it makes this a generator

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        sessions = Sessions("http://silent", silent, tasks)

        async def ask() -> None:
            with pytest.raises(asyncio.CancelledError):
                async with sessions.using():
                    raise AssertionError("nothing was opened")

        tasks.create_task(ask())
        await reached.wait()
        sessions.close()
