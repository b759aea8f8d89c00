"""What a plugin's tests give the kit, and what the kit makes of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager

import pytest_asyncio

from devbench_core.contracts.store import Store

__all__ = ["OpenStore", "WithStore"]

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens the store; one that lasts has the same content each time."""


class WithStore:
    """Tests of an open store. Needs the fixture ``open_store``, an `OpenStore`."""

    @pytest_asyncio.fixture
    async def store(self, open_store: OpenStore) -> AsyncGenerator[Store]:
        """Give an empty, open store."""
        async with open_store() as opened:
            yield opened
