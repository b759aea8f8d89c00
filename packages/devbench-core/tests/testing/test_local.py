"""The runtime without an engine keeps the contract of runtimes, but for what it does not claim."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from devbench_core.contracts.provider import Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.model.container import Status
from devbench_core.testing import local
from devbench_core.testing.kit import Claims, RuntimeContract, Trait
from devbench_core.testing.kit.reading import next_piece
from devbench_core.testing.kit.runtime_opening import GetImage, OpenRuntime
from devbench_core.testing.living import Requests
from devbench_core.testing.local import LocalPlugin, LocalSettings
from devbench_core.testing.seeing import until

PROVIDER: Provider[Runtime] = LocalPlugin().devbench_runtimes()[0]


class TestLocalRuntime(RuntimeContract):
    """Agents as plain processes."""

    @pytest.fixture
    def open_runtime(self) -> OpenRuntime:
        return lambda context: PROVIDER.open(LocalSettings(), context)

    @pytest.fixture
    def claims(self) -> Claims:
        traits = frozenset({Trait.EXIT_CODES, Trait.SEEN_PROCESSES})
        return Claims(enforces=frozenset(), images=False, traits=traits)

    @pytest.fixture
    def image(self) -> GetImage:
        return lambda runtime: runtime.resolve_image("host")

    async def test_what_a_cancelled_start_was_writing_does_not_come_after_the_next_one(
        self, runtime: Runtime, wanted: Requests, monkeypatch: pytest.MonkeyPatch
    ):
        entered, go_on, written = threading.Event(), threading.Event(), threading.Event()
        write = local._write  # pyright: ignore[reportPrivateUsage]

        def slow(path: Path, data: Mapping[str, object]) -> None:
            entered.set()
            go_on.wait(10)
            write(path, data)
            written.set()

        ref = await runtime.create(await wanted())
        monkeypatch.setattr(local, "_write", slow)
        starting = asyncio.create_task(runtime.start(ref))
        await until(entered.is_set)
        starting.cancel()
        await asyncio.wait([starting], timeout=0)
        monkeypatch.setattr(local, "_write", write)
        again = asyncio.create_task(started_again(runtime, ref, after=starting))
        await asyncio.wait([again], timeout=0.3)  # time for one that does not wait to get ahead
        go_on.set()
        await until(written.is_set)
        stream = await again
        assert b"DVBA" in await next_piece(stream)
        assert (await runtime.inspect(ref)).status is Status.RUNNING
        await stream.close()


async def started_again(runtime: Runtime, ref: str, *, after: asyncio.Task[None]) -> ByteStream:
    await asyncio.wait([after])
    assert after.cancelled()
    await runtime.start(ref)
    return await runtime.connect(ref)
