"""A bench on the local runtime: real agents, no engine, time that a test can move."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.testing.moody import LOOSE, MoodyPlugin, MoodyRuntime, MovableClock, Opener


@pytest.fixture
def moody(tmp_path: Path) -> MoodyPlugin:
    (tmp_path / "containers").mkdir()
    return MoodyPlugin(tmp_path / "containers")


@pytest.fixture
def runtime(moody: MoodyPlugin) -> MoodyRuntime:
    return moody.runtime


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def opener(tmp_path: Path, moody: MoodyPlugin, clock: MovableClock) -> Opener:
    """Return a function that opens a bench on the same store, engine and clock, as often as a test likes."""

    def open_bench(
        *plugins: object, serving: bool = True, **values: Any
    ) -> AbstractAsyncContextManager[devbench_core.Bench]:
        config = {
            "plugins": ["sql"],
            "runtime": "local",
            "store": "sql",
            "state_dir": str(tmp_path / "state"),
            "cache_dir": str(tmp_path / "cache"),
            "policy": LOOSE,
            "startup": {"engine_wait_s": 0},
            **values,
        }
        return devbench_core.open(config, plugins=[moody, *plugins], clock=clock, serving=serving)

    return open_bench


@pytest.fixture
async def bench(opener: Opener, runtime: MoodyRuntime) -> AsyncGenerator[devbench_core.Bench, None]:
    async with opener() as opened:
        yield opened
        runtime.answer_again()
