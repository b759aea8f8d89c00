"""A process that holds a lock, says its token, and at each line what it sees, or what a store says to its write."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lease
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Fence, Put
from devbench_core.errors import DevbenchError, LeaseLost
from harness.shared_locks import open_lock

WAIT_S = 60
FENCED = Put(kind="fenced", key="by", data={"holder": "earlier"})


async def started(url: str, key: str, *, ttl_s: float, poll_s: float = 1.0, store: str = "") -> Process:
    """Start one that has opened its lock, and is going to hold the key, or to wait for it.

    Args:
        url: The lock's server.
        key: What it holds.
        ttl_s: For how long a time.
        poll_s: The lock's.
        store: URL of the store that ``write`` writes to.
    """
    argv = (sys.executable, "-m", "harness.lock_holder", url, key, str(ttl_s), str(poll_s), store)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, env=env)
    assert await said(process) == "open"
    return process


async def said(process: Process) -> str:
    """Return the next line that it says."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), WAIT_S)).decode().strip()


async def _hold(url: str, key: str, ttl_s: float, poll_s: float, store: str) -> None:
    writes: list[asyncio.Task[None]] = []
    async with open_lock(url, poll_s=poll_s) as lock:
        print("open", flush=True)  # noqa: T201 - read by the test
        try:
            async with lock.hold(key, ttl_s=ttl_s, wait_s=WAIT_S) as lease:
                print(lease.token, flush=True)  # noqa: T201
                line = (
                    sys.stdin.readline()
                )  # blocks: on purpose, so that nothing but its own look can tell it
                if (
                    line == "write\n"
                ):  # beside the block, which ends: who stalls after his look is told too late
                    writes.append(asyncio.create_task(_write(lease, store)))
                    await asyncio.Event().wait()
                try:
                    lease.check()
                except LeaseLost:
                    print("lost at the look", flush=True)  # noqa: T201
                await asyncio.Event().wait()
        finally:
            await asyncio.gather(*writes)


async def _write(lease: Lease, url: str) -> None:
    from devbench_store_sql import plugin

    (provider,) = plugin.devbench_stores()
    here = Path.cwd()
    context = OpenContext(installation="", state_dir=here, cache_dir=here, clock=SystemClock())
    async with provider.open(provider.settings.model_validate({"url": url}), context) as store:
        try:
            await store.apply(Fence(key=lease.key, token=lease.token), FENCED)
        except DevbenchError as error:
            print(f"refused: {error.code}", flush=True)  # noqa: T201
        else:
            print("written", flush=True)  # noqa: T201


def main() -> None:
    """Hold until killed, or until the lease is lost."""
    url, key, ttl_s, poll_s, store = sys.argv[1:]
    try:
        asyncio.run(_hold(url, key, float(ttl_s), float(poll_s), store))
    except LeaseLost:
        print("ended as lost", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
