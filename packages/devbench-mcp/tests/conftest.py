"""A bench on fakes with a few tools of a plugin, served for real."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import devbench_core
from devbench_core.testing.fake import FakeBench, fake_bench
from devbench_mcp.http import bind, serve_http
from devbench_mcp.settings import McpSettings, mcp_settings
from harness.toolbox import Serve, Served, Toolbox


@pytest.fixture
def toolbox() -> Toolbox:
    return Toolbox()


@pytest.fixture
async def fakes(tmp_path: Path, toolbox: Toolbox) -> AsyncGenerator[FakeBench, None]:
    async with fake_bench(tmp_path, toolbox) as opened:
        yield opened


@pytest.fixture
def bench(fakes: FakeBench) -> devbench_core.Bench:
    return fakes.bench


@pytest.fixture
def serve(bench: devbench_core.Bench) -> Serve:
    """Return a function that serves the bench on a free port with the settings that a test wants."""

    @asynccontextmanager
    async def start(**values: object) -> AsyncGenerator[Served, None]:
        settings: McpSettings = mcp_settings({"port": 0, "grace_s": 3, **values})
        stopping, stopped, started = asyncio.Event(), asyncio.Event(), asyncio.Event()
        taken: socket.socket = bind(settings)
        port = taken.getsockname()[1]

        async def run() -> None:
            try:
                await serve_http(
                    bench, settings, stopping=stopping, taken=taken, started=lambda _url: started.set()
                )
            finally:
                stopped.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(run())
            await asyncio.wait_for(started.wait(), 10)
            base = f"http://127.0.0.1:{port}"
            yield Served(url=f"{base}/mcp", base=base, stopping=stopping, stopped=stopped)
            stopping.set()

    return start


@pytest.fixture(params=["legacy", "2026-07-28"])
def era(request: pytest.FixtureRequest) -> str:
    """The handshake era (2025-11-25) and the modern one."""
    return request.param
