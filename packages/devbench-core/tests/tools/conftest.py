"""A bench on fakes, and a short way to call its tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.testing.fake import fake_bench
from devbench_core.tools.call import call_tool

Call = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[devbench_core.Bench, None]:
    async with fake_bench(tmp_path) as fake:
        yield fake.bench


@pytest.fixture
def call(bench: devbench_core.Bench) -> Call:
    """Return a function that calls a tool and gives its result as JSON."""

    async def one(tool: str, /, *, by: Caller = LOCAL, **arguments: Any) -> dict[str, Any]:
        return (await call_tool(bench, tool, arguments, caller=by)).structured

    return one


@pytest.fixture
async def container(call: Call) -> str:
    spawned = await call("spawn")
    return str(spawned["container"]["id"])
