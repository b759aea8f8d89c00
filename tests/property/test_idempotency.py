"""Idempotent spawn against a plain model: whatever the order of spawns, repeats, failures and kills."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import Conflict, EngineFailed
from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.fake.bench import LOOSE

STEP = st.tuples(
    st.sampled_from(["spawn", "spawn", "spawn", "fail", "kill", "together"]),
    st.sampled_from(["k1", "k2"]),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(STEP, min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_a_key_stands_for_one_container_and_one_request(steps: list[tuple[str, str, str]]):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder), steps))


async def check(folder: Path, steps: list[tuple[str, str, str]]) -> None:
    config: dict[str, Any] = {
        "plugins": [],
        "runtime": "fake",
        "store": "memory",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "policy": LOOSE,
    }
    plugin = FakePlugin(folder / "containers")
    model: dict[str, tuple[str, str]] = {}
    async with devbench_core.open(config, plugins=[plugin]) as bench:
        for action, key, label in steps:
            request = SpawnRequest(idempotency_key=key, labels={"l": label})
            if action == "kill":
                if key in model:
                    await bench.containers.kill(model[key][1])
                continue
            plugin.heal()
            if action == "fail":
                plugin.runtime.faults.fail("create", EngineFailed("no"), times=None)
            await one(
                bench,
                request,
                key,
                label,
                model,
                times=5 if action == "together" else 1,
                fails=action == "fail",
            )
        living = {o.container_id async for o in plugin.runtime.list(bench.installation)}
        assert living <= {container for _, container in model.values()}


async def one(
    bench: devbench_core.Bench,
    request: SpawnRequest,
    key: str,
    label: str,
    model: dict[str, tuple[str, str]],
    *,
    times: int,
    fails: bool,
) -> None:
    """Spawn and compare with the model, which maps a key to its request's label and its container."""
    results = await asyncio.gather(
        *(bench.containers.spawn(request) for _ in range(times)), return_exceptions=True
    )
    if key in model and model[key][0] != label:
        assert all(isinstance(result, Conflict) for result in results)
        return
    if key not in model and fails:
        assert all(isinstance(result, EngineFailed) for result in results)
        return
    ids = {result.container.id for result in results if not isinstance(result, BaseException)}
    assert len(ids) == 1, results
    assert sum(not r.replayed for r in results if not isinstance(r, BaseException)) == (key not in model)
    model.setdefault(key, (label, ids.pop()))
