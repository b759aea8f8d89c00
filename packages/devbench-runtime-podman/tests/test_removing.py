"""What several remove at once is removed for each of them."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.engines.answers import EngineAnswer
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.engine import Engine
from devbench_runtime_podman.failures import answer_of

LOOKED = b'{"cause":"no such volume","message":"no volume with name v found in database: no such volume"}'
WAITED = (
    b'{"cause":"volume has already been removed","message":"volume has already been removed","response":500}'
)
BROKEN = b'{"cause":"no space left on device","message":"removing v: no space left on device","response":500}'


async def status_of_removing(calls: PodmanCalls, name: str) -> int:
    with pytest.raises(EngineAnswer) as refused:
        await calls.remove_volume(name)
    return refused.value.status


@pytest.mark.parametrize(("told", "status"), [(LOOKED, 404), (WAITED, 404), (BROKEN, 500)])
async def test_a_volume_that_another_call_took_away_meanwhile_is_absent(
    engine: Engine, calls: PodmanCalls, monkeypatch: pytest.MonkeyPatch, told: bytes, status: int
):
    async def call(*_arguments: object, **_named: object) -> None:
        raise answer_of(500, told)  # as Podman does now and then, where several ask at once

    monkeypatch.setattr(engine, "call", call)
    assert await status_of_removing(calls, "v") == status


async def test_of_many_who_remove_a_volume_one_does_and_the_others_find_none(calls: PodmanCalls):
    for number in range(20):
        name = f"devbench-test-removing-{number}"
        await calls.make_volume(name, {})
        outcomes = await asyncio.gather(
            *(calls.remove_volume(name) for _ in range(8)), return_exceptions=True
        )
        statuses = [each.status for each in outcomes if isinstance(each, EngineAnswer)]
        assert (outcomes.count(None), statuses) == (1, [404] * 7)
