"""Of several hosts one does what is to be done once, and each looks after its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.contracts.store import Fence
from devbench_core.leading.leader import Leader
from devbench_core.metrics import registry
from devbench_core.model.container import EndReason, Status
from devbench_core.testing.fake import FakeClock
from devbench_core.testing.fake.bench import LOOSE, SELDOM_S
from devbench_core.testing.fake.plugin import FakePlugin
from devbench_core.testing.seeing import until


@pytest.fixture
def fakes(tmp_path: Path) -> FakePlugin:
    return FakePlugin(tmp_path / "containers", FakeClock())


Host = Callable[[], AbstractAsyncContextManager[devbench_core.Bench]]


def hosts(fakes: FakePlugin, tmp_path: Path, lock: str, **lifetimes: Any) -> Host:
    config = {
        "runtime": "fake",
        "store": "fake",
        "lock": lock,
        "state_dir": str(tmp_path),
        "policy": LOOSE,
        "lifetimes": {"check_interval_s": SELDOM_S, **lifetimes},
    }
    return lambda: devbench_core.open(config, plugins=[fakes], clock=fakes.clock)


def total(name: str, **labels: str) -> float:
    return registry().get_sample_value(f"devbench_{name}", labels) or 0.0


@pytest.mark.parametrize("lock", ["fake", "local"])
async def test_while_one_host_does_a_round_another_does_none(fakes: FakePlugin, tmp_path: Path, lock: str):
    host = hosts(fakes, tmp_path, lock)
    async with host() as one, host() as other:
        fault = fakes.runtime.faults.hang("list")
        leading = asyncio.create_task(Leader(one).once())
        await fault.reached()
        assert not await Leader(other).once()
        fault.withdraw()
        assert await leading
        assert await Leader(other).once()


async def test_all_that_the_leader_changes_carries_its_fence(fakes: FakePlugin, tmp_path: Path):
    host = hosts(fakes, tmp_path, "fake", ended_retention_s=60)
    async with host() as bench:
        due = await bench.containers.spawn(SpawnRequest(ttl_s=60))
        fakes.clock.pass_s(61)
        fakes.store.faults.calls.clear()
        assert await Leader(bench).once()
        found = await bench.containers.get(due.container.id)
        assert found.status is Status.GONE
        assert found.ending is not None
        assert found.ending.reason is EndReason.EXPIRED
        before = total("deletions_total", reason="lifetimes.ended_retention_s")
        fakes.clock.pass_s(61)
        assert await Leader(bench).once()
        assert total("deletions_total", reason="lifetimes.ended_retention_s") == before + 1
        changed = [call for call in fakes.store.faults.calls if call.name == "apply"]
        assert changed
        assert all(_fenced(call.arguments) for call in changed)


def _fenced(changes: tuple[object, ...]) -> bool:
    return isinstance(changes[-1], Fence)


async def test_a_leader_does_rounds_and_says_so(fakes: FakePlugin, tmp_path: Path):
    before = total("leader_rounds_total", outcome="done")
    async with hosts(fakes, tmp_path, "fake", check_interval_s=0.01)():
        await until(lambda: total("leader"), (1.0).__eq__)
        await until(lambda: total("leader_rounds_total", outcome="done"), lambda now: now > before + 2)
    assert total("leader") == 0
