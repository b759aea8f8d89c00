"""A lease that cannot be kept is lost to its holder before anybody else can have the key."""

from __future__ import annotations

import asyncio
import signal

import pytest

from devbench_core.errors import LeaseLost
from devbench_core.leases import LeasedLock
from devbench_core.leases.lease import HeldLease
from devbench_core.testing.seeing import until
from harness import lock_holder
from harness.redis_locks import open_on
from harness.redis_server import RedisServer, free_port
from harness.tcp_proxy import TcpProxy

TTL_S = 0.6
WAIT_S = 60.0
QUICK = {"connect_timeout_s": 0.5, "command_timeout_s": 0.5, "retries": 0}


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_lease_is_renewed_while_the_block_runs(
    lock: LeasedLock, shared_server: RedisServer, prefix: str
):
    async with lock.hold("k", ttl_s=3, wait_s=0) as lease:
        await until(lambda: shared_server.ask("PTTL", f"{prefix}lease:k"), (2300).__gt__)
        await until(lambda: shared_server.ask("PTTL", f"{prefix}lease:k"), (2600).__lt__)
        lease.check()


async def test_a_lease_ends_for_its_holder_before_it_does_for_the_server(
    lock: LeasedLock, shared_server: RedisServer, prefix: str
):
    async with lock.hold("k", ttl_s=WAIT_S, wait_s=0) as lease:
        assert isinstance(lease, HeldLease)
        left_s = lease.left_s
        assert left_s < shared_server.ask("PTTL", f"{prefix}lease:k") / 1000 <= WAIT_S


async def test_a_stalled_holder_finds_out_at_his_next_look_and_has_the_older_token(server: RedisServer):
    holder = await lock_holder.started(server.url, "k", ttl_s=TTL_S)
    token = int(await lock_holder.said(holder))
    holder.send_signal(signal.SIGSTOP)
    async with open_on(server.url) as lock, lock.hold("k", ttl_s=WAIT_S, wait_s=WAIT_S) as lease:
        assert lease.token > token
        holder.send_signal(signal.SIGCONT)
        output, _ = await asyncio.wait_for(holder.communicate(b"look\n"), WAIT_S)
        lease.check()
    assert output == b"lost at the look\nended as lost\n"


async def test_with_a_silent_server_the_holder_gives_up(server: RedisServer):
    async def work(lock: LeasedLock) -> None:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
            server.stop()
            try:
                await for_ever()
            finally:
                with pytest.raises(LeaseLost):
                    lease.check()

    async with open_on(server.url, **QUICK) as lock:
        with pytest.raises(LeaseLost, match="'k'"):
            await asyncio.wait_for(work(lock), WAIT_S)
        server.go_on()


async def test_a_restarted_server_without_its_data_has_lost_the_lease_and_gives_higher_tokens(
    server: RedisServer,
):
    tokens: list[int] = []

    async def work(lock: LeasedLock) -> None:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
            tokens.append(lease.token)
            server.kill()
            server.start()
            await for_ever()

    async with open_on(server.url) as lock, open_on(server.url) as other:
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(work(lock), WAIT_S)
        async with other.hold("k", ttl_s=TTL_S, wait_s=WAIT_S) as later:
            assert later.token > tokens[0]


async def test_tokens_rise_although_the_data_are_lost_and_the_clock_is_set_back(server: RedisServer):
    async with open_on(server.url) as lock:
        future = (server.ask("TIME")[0] + 3600) * 1_000_000  # an hour before, as the clock will be
        server.ask("SET", "devbench:lock:token", future)
        async with lock.hold("k", ttl_s=WAIT_S, wait_s=0) as lease:
            assert lease.token == future + 1
        server.ask("FLUSHALL")
        async with lock.hold("k", ttl_s=WAIT_S, wait_s=0) as lease:
            assert lease.token > future + 1


async def test_what_the_block_did_is_not_called_done_when_the_lease_was_taken_meanwhile(
    lock: LeasedLock, shared_server: RedisServer, prefix: str
):
    with pytest.raises(LeaseLost):
        async with lock.hold("k", ttl_s=WAIT_S, wait_s=0):
            shared_server.ask("DEL", f"{prefix}lease:k")


async def test_a_blocks_own_error_stays_the_cause_of_a_lost_lease(
    lock: LeasedLock, shared_server: RedisServer, prefix: str
):
    async def fail() -> None:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            shared_server.ask("DEL", f"{prefix}lease:k")
            try:
                await for_ever()
            finally:
                raise KeyError

    with pytest.raises(LeaseLost) as caught:
        await asyncio.wait_for(fail(), WAIT_S)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_cancelled_holder_ends_as_cancelled_also_when_his_lease_is_lost(
    lock: LeasedLock, shared_server: RedisServer, prefix: str
):
    entered = asyncio.Event()

    async def block() -> None:
        async with lock.hold("k", ttl_s=WAIT_S, wait_s=0):
            entered.set()
            await for_ever()

    holder = asyncio.create_task(block())
    await entered.wait()
    shared_server.ask("DEL", f"{prefix}lease:k")
    holder.cancel()
    await asyncio.wait({holder})
    assert holder.cancelled()


async def test_a_promoted_replica_keeps_what_it_had_and_gives_higher_tokens():
    port, replica_port = free_port(), free_port()
    local = ("--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
    with (
        RedisServer("--port", str(port), *local) as primary,
        RedisServer("--port", str(replica_port), *local, "--replicaof", "127.0.0.1", str(port)) as replica,
        TcpProxy() as way,
    ):
        way.target = port
        async with (
            open_on(f"redis://127.0.0.1:{way.port}") as lock,
            lock.hold("kept", ttl_s=WAIT_S, wait_s=0) as kept,
        ):
            await until(lambda: replica.ask("GET", "devbench:lock:lease:kept"))
            primary.kill()
            replica.ask("REPLICAOF", "NO", "ONE")
            way.target = replica_port
            async with lock.hold("other", ttl_s=WAIT_S, wait_s=0) as other:
                assert other.token > kept.token
            kept.check()
