"""A host with one pool on the fakes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devbench_core.testing.fake.bench import FakeBench, fake_bench
from harness.pools import pools_of, tended


@pytest.fixture
def pooled(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[FakeBench]]:
    """Return a function that opens a host on fakes whose pool is full."""

    @asynccontextmanager
    async def open_pooled(*plugins: object, floor: int = 2, **limits: Any) -> AsyncGenerator[FakeBench]:
        async with fake_bench(tmp_path, *plugins, pools=pools_of(floor, **limits)) as lab:
            assert (await tended(lab.bench)).ready == floor
            yield lab

    return open_pooled
