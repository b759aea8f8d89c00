"""A lock that cannot be opened says why, in bounded time; one that can be is beside the store."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

import devbench_core
from devbench_core.clock import SystemClock
from devbench_core.errors import LockFailed, TimedOut
from devbench_core.testing.fake.bench import LOOSE
from devbench_core.testing.fake.plugin import FakePlugin
from devbench_store_sql.postgres.lock.opening import opened
from devbench_store_sql.settings import SqlSettings
from harness.postgres import Server, server


def settings(url: str | None, **more: object) -> SqlSettings:
    return SqlSettings.model_validate({"url": url, **more})


async def test_a_server_that_is_not_there_is_a_clear_error_without_the_password(tmp_path: Path):
    absent = settings(f"postgresql://devbench:geheim@/devbench?host={tmp_path}")
    with pytest.raises(LockFailed, match="cannot be reached") as caught:
        async with opened(absent, SystemClock()):
            pass
    assert "geheim" not in str(caught.value)
    assert caught.value.retry


@pytest.mark.timeout(120)
async def test_a_server_that_goes_away_is_not_waited_for_longer_than_the_settings_say():
    with server() as mine:
        url = await asyncio.to_thread(mine.database)
        async with opened(settings(url, retries=1, lock_timeout_s=0.5), SystemClock()) as lock:
            await asyncio.to_thread(mine.stop, signal.SIGQUIT)
            before = time.monotonic()
            with pytest.raises(LockFailed):
                async with lock.hold("k", ttl_s=60, wait_s=60):
                    pass
            assert time.monotonic() - before < 10


async def test_store_and_lock_share_their_table_of_settings(postgres_server: Server, tmp_path: Path):
    url = postgres_server.database()
    config = {
        "runtime": "fake",
        "store": "sql",
        "lock": "sql",
        "policy": LOOSE,
        "plugin": {"sql": {"url": url}},
        "state_dir": str(tmp_path),
    }
    async with (
        devbench_core.open(config, plugins=[FakePlugin(tmp_path)]) as bench,
        bench.lock.hold("k", ttl_s=60, wait_s=0),
        opened(settings(url), SystemClock()) as other,
    ):
        with pytest.raises(TimedOut):
            async with other.hold("k", ttl_s=60, wait_s=0):
                pass
