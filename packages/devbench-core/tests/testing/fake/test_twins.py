"""The twins of store, lock and scanner keep their contracts as a bench has them, and fail as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.scanner import Finding, Scanner
from devbench_core.contracts.store import Put, Store
from devbench_core.errors import EngineFailed, LeaseLost, StoreFailed, TimedOut
from devbench_core.model.image import Image
from devbench_core.testing.fake import FakeBench, fake_bench
from devbench_core.testing.kit import LockContract, ScannerContract, StoreContract
from devbench_core.testing.kit.opening import OpenStore
from devbench_core.testing.kit.scanner import Failing


class TestFakeStore(StoreContract):
    """As a bench has it."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        @asynccontextmanager
        async def opened() -> AsyncGenerator[Store]:
            async with fake_bench(tmp_path) as fake:
                yield fake.bench.store

        return opened


class TestFakeLock(LockContract):
    """As a bench has it."""

    @pytest.fixture
    async def lock(self, fake: FakeBench) -> Lock:
        return fake.bench.lock


class TestFakeScanner(ScannerContract):
    """As a bench has it."""

    @pytest.fixture
    async def scanner(self, fake: FakeBench) -> Scanner:
        fake.scanner.finds("one", Finding(id="CVE-1", severity="high", package="p"))
        return fake.bench.scanners[0]

    @pytest.fixture
    def images(self) -> tuple[Image, ...]:
        return tuple(Image(name=name, id=f"sha256:{name}") for name in ("one", "two"))

    @pytest.fixture
    def failing(self, fake: FakeBench) -> Failing:
        return lambda: fake.scanner.faults.failing("scan", EngineFailed("no database"))


async def test_a_change_whose_answer_got_lost_is_in_the_store(fake: FakeBench):
    fake.store.faults.fail("apply", StoreFailed("outcome unknown"), when="after")
    with pytest.raises(StoreFailed):
        await fake.bench.store.apply(Put(kind="k", key="a", data={}))
    assert await fake.bench.store.get("k", "a") is not None


async def test_a_lock_whose_answer_got_lost_is_free_again(fake: FakeBench):
    fake.lock.faults.fail("hold", TimedOut("no answer"), when="after")
    with pytest.raises(TimedOut, match="no answer"):
        async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0):
            pass
    async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0):
        pass


async def test_a_lease_is_lost_while_its_holder_waits(fake: FakeBench):
    async def work() -> None:
        async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0):
            held.set()
            await asyncio.Event().wait()

    held = asyncio.Event()
    holder = asyncio.create_task(work())
    await held.wait()
    fake.lock.lose("k")
    with pytest.raises(LeaseLost, match="'k'"):
        await holder
    async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0):
        pass


async def test_a_lease_that_is_lost_without_a_wait_is_told_at_the_end_of_its_block(fake: FakeBench):
    async def work() -> None:
        async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0) as lease:
            fake.lock.lose("k")
            with pytest.raises(LeaseLost):
                lease.check()

    with pytest.raises(LeaseLost):
        await work()
    await asyncio.sleep(0)  # nothing is left of the cancellation


async def test_a_lease_that_is_lost_is_told_although_its_block_fails(fake: FakeBench):
    async def work() -> None:
        async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0):
            fake.lock.lose("k")
            raise KeyError

    with pytest.raises(LeaseLost):
        await work()
    await asyncio.sleep(0)


async def test_a_holder_who_is_also_cancelled_by_others_stays_cancelled(fake: FakeBench):
    async def work() -> None:
        async with fake.bench.lock.hold("k", ttl_s=1, wait_s=0):
            held.set()
            await asyncio.Event().wait()

    held = asyncio.Event()
    holder = asyncio.create_task(work())
    await held.wait()
    fake.lock.lose("k")
    holder.cancel()
    await asyncio.wait([holder])
    assert holder.cancelled()


async def test_a_key_that_nobody_holds_cannot_be_lost(fake: FakeBench):
    with pytest.raises(ValueError, match="nobody holds 'k'; held: nothing"):
        fake.lock.lose("k")


async def test_a_scanner_finds_what_it_was_told_by_the_images_name(fake: FakeBench):
    finding = Finding(id="CVE-1", severity="high", package="p")
    fake.scanner.finds("host", finding)
    (scanner,) = fake.bench.scanners
    image = await fake.bench.images.resolve("host")
    report = await scanner.scan(image)
    assert (report.image_id, report.scanner, report.findings) == (image.id, "fake", (finding,))
    fake.scanner.faults.fail("scan", EngineFailed("no database"))
    with pytest.raises(EngineFailed):
        await scanner.scan(image)
