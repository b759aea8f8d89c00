"""Calls in threads: bounded, cancelled at once, and true about a service that is slow, silent or gone."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devbench_core.engines.answers import EngineAnswer
from devbench_core.errors import EngineFailed, EngineUnreachable
from devbench_runtime_podman.engine import Engine, connected
from devbench_runtime_podman.settings import PodmanSettings
from devbench_runtime_podman.workers import Workers

AT_ONCE = 3
DEADLINE_S = 20.0
PROMPT_S = 5.0


@pytest.fixture
def silent(tmp_path: Path) -> Generator[Path]:
    """A socket where somebody listens and never says anything."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(100)
        yield path


@asynccontextmanager
async def answering(folder: Path, answer: bytes) -> AsyncGenerator[Path]:
    """A service that gives the same answer to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    path = folder / "s"
    async with await asyncio.start_unix_server(serve, path):
        yield path


@asynccontextmanager
async def engine_at(path: Path, **settings: object) -> AsyncGenerator[Engine]:
    found = PodmanSettings.model_validate({"host": f"unix://{path}", **settings})
    async with connected(found) as engine:
        yield engine


def workers_left() -> int:
    return sum(thread.name.startswith("devbench-podman") for thread in threading.enumerate())


async def until_no_worker_is_left() -> None:
    deadline = time.monotonic() + DEADLINE_S
    while workers_left():
        assert time.monotonic() < deadline, "a thread is left behind"
        await asyncio.sleep(0.02)


async def test_a_cancelled_call_ends_at_once_and_its_thread_is_free_again(silent: Path):
    await until_no_worker_is_left()
    async with engine_at(silent, calls_at_once=AT_ONCE) as engine:
        began = time.monotonic()
        for _ in range(3):
            asked = [
                asyncio.create_task(engine.call("GET", "info", doing="describe itself"))
                for _ in range(AT_ONCE * 2)
            ]
            await asyncio.sleep(0.05)
            for task in asked:
                task.cancel()
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert time.monotonic() - began < PROMPT_S
        assert workers_left() <= AT_ONCE
    await until_no_worker_is_left()


async def test_a_service_that_stays_silent_is_given_up_after_the_bound_that_is_named(silent: Path):
    async with engine_at(silent, request_timeout_s=0.3) as engine:
        with pytest.raises(EngineUnreachable, match=r"did not describe itself within 0\.3 s") as refused:
            await engine.call("GET", "info", doing="describe itself")
    assert refused.value.details["setting"] == "plugin.podman.request_timeout_s"


async def test_a_socket_that_is_not_there_is_told_with_its_address(tmp_path: Path):
    async with engine_at(tmp_path / "nobody") as engine:
        with pytest.raises(EngineUnreachable, match="No such file or directory") as refused:
            await engine.version()
    assert str(tmp_path / "nobody") in refused.value.message
    assert "devbench doctor" in refused.value.hint


async def test_a_connection_that_breaks_in_the_middle_is_unreachable_not_gone(tmp_path: Path):
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
    async with answering(tmp_path, broken) as path, engine_at(path) as engine:
        with pytest.raises(EngineUnreachable):
            await engine.call("GET", "info", doing="describe itself")


async def test_what_is_no_podman_is_refused(tmp_path: Path):
    docker = b"HTTP/1.1 200 OK\r\nServer: Docker\r\nContent-Length: 2\r\n\r\nOK"
    async with answering(tmp_path, docker) as path, engine_at(path) as engine:
        with pytest.raises(EngineFailed, match="is no Podman service"):
            await engine.version()


async def test_a_podman_that_is_too_old_is_refused(tmp_path: Path):
    old = b"HTTP/1.1 200 OK\r\nLibpod-API-Version: 3.4.2\r\nContent-Length: 2\r\n\r\nOK"
    async with answering(tmp_path, old) as path, engine_at(path) as engine:
        with pytest.raises(EngineFailed, match=r"Podman 3\.4\.2") as refused:
            await engine.version()
    assert "4.0" in refused.value.hint


async def test_who_waits_for_a_line_and_is_cancelled_leaves_no_thread(silent: Path):
    workers = Workers(str(silent), size=1, connect_timeout_s=2)
    reading = asyncio.create_task(anext(workers.lines(lambda client: client.get("x", stream=True))))
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    workers.close()
    await until_no_worker_is_left()


async def test_an_error_of_the_service_is_told_with_its_own_words(engine: Engine):
    with pytest.raises(EngineAnswer, match=r"404: .*devbench-never-was"):
        await engine.call("GET", "containers/devbench-never-was/json", doing="look")
