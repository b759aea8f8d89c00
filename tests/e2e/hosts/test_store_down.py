"""A host whose store is down says so, takes nothing new, and goes on with what runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import StoreFailed
from devbench_core.model.execution import ExecReason, ExecRequest
from harness.mcp_program import http_program, toml
from harness.postgres import Server, server

DEADLINE_S = 60.0
LOOK_S = 0.05
COUNT = "i=0; while [ ! -e enough ]; do i=$((i+1)); echo $i; sleep 0.01; done; echo $i > last"


@pytest.fixture
def mortal_server() -> Generator[Server]:
    """A server that a test may kill."""
    with server(durable=True) as running:
        yield running


@pytest.fixture
def values(mortal_server: Server, tmp_path: Path) -> dict[str, Any]:
    """The configuration of a host on it."""
    sql = {"url": mortal_server.database(), "connect_timeout_s": 1, "busy_timeout_s": 2}
    return {
        "runtime": "bubblewrap",
        "store": "sql",
        "images": {"default": "host"},
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "plugin": {"sql": sql},
    }


@pytest.fixture
async def bench(values: dict[str, Any]) -> AsyncGenerator[devbench_core.Bench]:
    """The host."""
    async with devbench_core.open(values) as opened:
        yield opened


async def test_what_runs_goes_on_and_is_caught_up_with(bench: devbench_core.Bench, mortal_server: Server):
    container = (await bench.containers.spawn(SpawnRequest())).container.id
    started = await bench.execs.start(container, ExecRequest(argv=("sh", "-c", COUNT)))
    page = await bench.execs.poll(started.id, wait_s=10)
    mortal_server.stop(signal.SIGQUIT)
    with pytest.raises(StoreFailed) as refused:
        await bench.containers.spawn(SpawnRequest())
    assert refused.value.retry
    with pytest.raises(StoreFailed):
        await bench.execs.start(container, ExecRequest(argv=("true",)))
    later = await bench.execs.poll(started.id, after=page.cursor, wait_s=0.2)
    assert later.ending is None, "it is answered; what was not written yet is not shown"
    mortal_server.start()
    await until_store_answers(bench)
    await bench.files.write(container, "enough", b"")
    ended = await bench.execs.wait(started.id, wait_s=DEADLINE_S)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0)
    process = await bench.execs.process(started.id)
    said = b"".join([chunk.data async for chunk in process.output()]).split()
    last = int((await bench.files.read(container, "last")).data)
    assert said == [b"%d" % number for number in range(1, last + 1)]
    assert [each.id for each in (await bench.containers.list()).containers] == [container]
    assert [each.id for each in await bench.execs.list(container)] == [started.id]


async def until_store_answers(bench: devbench_core.Bench) -> None:
    """Wait until new work is taken again."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await bench.store.get("container", "c")
            except StoreFailed:
                await asyncio.sleep(LOOK_S)
            else:
                return


async def test_it_is_alive_and_not_ready_until_the_store_answers(
    values: dict[str, Any], mortal_server: Server, tmp_path: Path
):
    config = tmp_path / "devbench.toml"
    config.write_text(toml(values), encoding="utf-8")
    config.chmod(0o600)
    async with http_program(config) as program, httpx2.AsyncClient() as http:
        assert (await http.get(f"{program.base}/readyz")).status_code == 200
        mortal_server.stop(signal.SIGQUIT)
        async with asyncio.timeout(DEADLINE_S):
            while (answer := await http.get(f"{program.base}/readyz")).status_code == 200:
                await asyncio.sleep(LOOK_S)
        assert answer.status_code == 503
        assert answer.json()["store"] in ("store_failed", "timeout")
        assert answer.json()["runtime"] == "ok"
        assert (await http.get(f"{program.base}/healthz")).status_code == 200
        mortal_server.start()
        async with asyncio.timeout(DEADLINE_S):
            while (await http.get(f"{program.base}/readyz")).status_code != 200:
                await asyncio.sleep(LOOK_S)
