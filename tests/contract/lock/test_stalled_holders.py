"""A holder that is stopped beyond its lease, by a signal, and wakes up: its writes are refused by the store."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Fence, Put
from devbench_store_sql import plugin
from harness import lock_holder
from harness.postgres import Server
from harness.redis_server import RedisServer
from harness.shared_locks import open_lock

TTL_S = 0.6
WAIT_S = 60.0
(PROVIDER,) = plugin.devbench_stores()


@pytest.fixture(params=["redis", "postgresql", "sqlite"])
def lock_url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """Give the address of what keeps the locks."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres_server")
        yield server.database()
        return
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/locks.db"
        return
    with RedisServer() as redis:
        yield redis.url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of the store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/devbench.db"
    server: Server = request.getfixturevalue("postgres_server")
    return server.database()


async def test_what_a_stalled_holder_writes_when_he_wakes_up_is_refused(
    lock_url: str, store_url: str, tmp_path: Path
):
    context = OpenContext(installation="", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock())
    settings = PROVIDER.settings.model_validate({"url": store_url})
    holder = await lock_holder.started(lock_url, "leader", ttl_s=TTL_S, store=store_url)
    token = int(await lock_holder.said(holder))
    holder.send_signal(signal.SIGSTOP)
    async with (
        PROVIDER.open(settings, context) as store,
        open_lock(lock_url) as lock,
        lock.hold("leader", ttl_s=WAIT_S, wait_s=WAIT_S) as lease,
    ):
        assert lease.token > token
        put = Put(kind="fenced", key="by", data={"holder": "later"})
        await store.apply(Fence(key=lease.key, token=lease.token), put)
        holder.send_signal(signal.SIGCONT)
        output, _ = await asyncio.wait_for(holder.communicate(b"write\n"), WAIT_S)
        lease.check()
        record = await store.get("fenced", "by")
    assert output == b"refused: stale_token\nended as lost\n"
    assert record is not None
    assert (record.data, record.revision) == ({"holder": "later"}, 1)


async def test_a_holder_whose_lease_holds_writes(lock_url: str, tmp_path: Path):
    store_url = f"sqlite:///{tmp_path}/devbench.db"
    holder = await lock_holder.started(lock_url, "leader", ttl_s=WAIT_S, store=store_url)
    assert int(await lock_holder.said(holder)) > 0
    assert holder.stdin is not None
    holder.stdin.write(b"write\n")
    assert await lock_holder.said(holder) == "written"
    holder.kill()
    await holder.wait()
