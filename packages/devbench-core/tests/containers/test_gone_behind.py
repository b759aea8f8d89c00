"""That nothing is left of a container is written behind its kill, and nobody here reads what is older."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.containers.repository import KIND
from devbench_core.contracts.store import Change, Put, Record
from devbench_core.errors import StoreFailed
from devbench_core.hookspecs import hookimpl
from devbench_core.model.container import EndReason, Status
from devbench_core.model.event import Event
from devbench_core.testing.fake.bench import Opener


class Listener:
    def __init__(self) -> None:
        self.ended: list[str] = []

    @hookimpl
    def devbench_event(self, event: Event) -> None:
        if event.name == "container.ended":
            self.ended.append(event.container_id)


def confirms(change: Change) -> bool:
    return isinstance(change, Put) and change.kind == KIND and change.data.get("status") == Status.GONE


def before_gone(monkeypatch: pytest.MonkeyPatch, bench: devbench_core.Bench, what: Callable[[], Any]) -> None:
    """Await something before the store writes that a container is gone."""
    apply = bench.store.apply

    async def slow(*changes: Change) -> tuple[Record | None, ...]:
        if any(confirms(change) for change in changes):
            await what()
        return await apply(*changes)

    monkeypatch.setattr(bench.store, "apply", slow)


async def test_a_kill_does_not_wait_for_the_record_that_nothing_is_left(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
):
    listener, go = Listener(), asyncio.Event()
    async with opener(listener) as bench:
        before_gone(monkeypatch, bench, go.wait)
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        killed = await bench.containers.kill(container)
        assert killed.status is Status.GONE
        assert killed.ending is not None
        assert killed.ending.reason is EndReason.KILLED
        assert await bench.containers.get(container) == killed
        assert await bench.containers.kill(container) == killed
        listed = await bench.containers.list(include_ended=True)
        assert [found.status for found in listed.containers] == [Status.GONE]
        assert listener.ended == [], "observers hear of what is written"
        go.set()
    assert listener.ended == [container]


async def test_a_reconciliation_removes_nothing_of_what_a_kill_is_still_writing(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
):
    go = asyncio.Event()
    async with opener() as bench:
        before_gone(monkeypatch, bench, go.wait)
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        await bench.containers.kill(container)
        report = await bench.containers.reconcile()
        go.set()
    assert report.removed == []


async def test_a_host_that_closes_writes_what_it_confirmed(opener: Opener, monkeypatch: pytest.MonkeyPatch):
    async with opener() as bench:
        before_gone(monkeypatch, bench, lambda: asyncio.sleep(0.05))
        container = (await bench.containers.spawn(SpawnRequest(persistent=True))).container.id
        await bench.containers.kill(container)
    async with opener(serving=False) as bench:
        assert (await bench.containers.get(container)).status is Status.GONE


async def test_what_the_store_would_not_write_is_confirmed_by_the_next_sweep(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
):
    async def refuse() -> None:
        raise StoreFailed("the disk is full")

    listener = Listener()
    async with opener(listener) as bench:
        with monkeypatch.context() as full:
            before_gone(full, bench, refuse)
            container = (await bench.containers.spawn(SpawnRequest())).container.id
            assert (await bench.containers.kill(container)).status is Status.GONE
            await bench.containers.settle()
        assert (await bench.containers.get(container)).status is Status.EXITED
        await bench.containers.sweep()
        await bench.containers.settle()
        found = await bench.containers.get(container)
        assert found.status is Status.GONE
        assert found.ending is not None
        assert found.ending.reason is EndReason.KILLED
        assert listener.ended == [container]
