"""A bench on the fake runtime and the lasting store: real agents, no engine, time that a test can move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.testing.fake import FakeClock, FakePlugin, FakeRuntime
from devbench_core.testing.fake.bench import LOOSE, Opener


@pytest.fixture
async def fakes(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[FakePlugin, None]:
    folder = tmp_path / "containers"
    plugin = FakePlugin(folder, clock)
    yield plugin
    # what a test left to a next host, which never came
    for ref in await asyncio.to_thread(lambda: list(folder.glob("*"))):
        await plugin.runtime.local.remove(str(ref))


@pytest.fixture
def runtime(fakes: FakePlugin) -> FakeRuntime:
    return fakes.runtime


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opener(tmp_path: Path, fakes: FakePlugin, clock: FakeClock) -> Opener:
    """Return a function that opens a bench on the same store, engine and clock, as often as a test likes."""

    def open_bench(
        *plugins: object, serving: bool = True, passive: bool = False, **values: Any
    ) -> AbstractAsyncContextManager[devbench_core.Bench]:
        config = {
            "plugins": ["sql"],
            "runtime": "fake",
            "store": "sql",
            "state_dir": str(tmp_path / "state"),
            "cache_dir": str(tmp_path / "cache"),
            "policy": LOOSE,
            "startup": {"engine_wait_s": 0},
            **values,
        }
        return devbench_core.open(
            config, plugins=[fakes, *plugins], clock=clock, serving=serving, passive=passive
        )

    return open_bench


@pytest.fixture
async def bench(opener: Opener, runtime: FakeRuntime) -> AsyncGenerator[devbench_core.Bench, None]:
    async with opener() as opened:
        yield opened
        runtime.answer_again()
