"""A container that was half made when it was looked at, and whole when it was judged, lives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from devbench_core.containers import SpawnRequest
from devbench_core.containers.instances import Instances
from devbench_core.model.container import Status
from devbench_core.testing.fake.bench import fake_bench


async def test_a_reconciliation_leaves_what_was_made_while_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with fake_bench(tmp_path) as lab:
        containers = lab.bench.containers
        making = lab.runtime.faults.hang("create")
        spawn = asyncio.create_task(containers.spawn(SpawnRequest(alias="web")))
        await making.reached()

        async def made_meanwhile(instances: Instances, instance_id: str) -> bool:
            making.release()
            await asyncio.wait({spawn})
            return False  # as of a host that stalled and was succeeded

        monkeypatch.setattr(Instances, "alive", made_meanwhile)
        report = await containers.reconcile()
        monkeypatch.undo()
        got = (await spawn).container
        assert got.id not in report.ended
        assert (await containers.get("web")).id == got.id
        assert (await containers.get(got.id)).status is Status.RUNNING
