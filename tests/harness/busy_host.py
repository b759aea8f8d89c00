"""A host that runs many commands and says what it and its agent hold before and after.

Run as ``python -m harness.busy_host SOCKET TOKEN AGENT_PID FOLDER COUNT…``: a process of its own, since what pytest
remembers of a long test would be counted as the host's. After each count of commands it prints what is held.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

import attrs

from devbench_core.channel.unix import open_unix
from devbench_core.execs.settings import ExecLimits
from devbench_core.model.execution import ExecReason, ExecRequest
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings
from harness.agent_host import CONTAINER_ID, Host, open_host

AT_ONCE = 4
REPLY = b"done\n"
CACHE_KIB = 128  # of SQLite's pages: the usual 8 MiB of each connection would go on filling for long


@attrs.frozen(kw_only=True)
class Held:
    """What a process holds.

    Attributes:
        memory_bytes: Resident.
        descriptors: Open files.
        threads: Of it.
        children: Its processes.
        tasks: Of its event loop; 0 for the agent.
    """

    memory_bytes: int
    descriptors: int
    threads: int
    children: int
    tasks: int = 0


def held(pid: int, tasks: int = 0) -> Held:
    """Look at a process."""
    folder = Path(f"/proc/{pid}")
    fields = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
    return Held(
        memory_bytes=int(fields["VmRSS"].split()[0]) * 1024,
        descriptors=len(list((folder / "fd").iterdir())),
        threads=int(fields["Threads"]),
        children=len((folder / f"task/{pid}/children").read_text(encoding="ascii").split()),
        tasks=tasks,
    )


async def run(host: Host, count: int) -> None:
    """Run commands, four at a time, each to its end and to its last byte."""
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("echo", "done")))
            ended = await host.execs.wait(started.id, wait_s=60)
            assert ended.ending is not None
            assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0)
            page = await host.execs.poll(started.id)
            assert b"".join(chunk.data for chunk in page.chunks) == REPLY
            host.events.clear()  # what the harness remembers is not what the host holds
            host.requests.clear()

    await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


async def _main(socket: str, token: str, agent: str, folder: str, *counts: str) -> None:
    limits = ExecLimits(concurrent_per_container=AT_ONCE)
    async with (
        opened(SqlSettings(cache_kib=CACHE_KIB), Path(folder)) as store,
        open_host(
            lambda: open_unix(Path(socket)), bytes.fromhex(token), store=store, exec_limits=limits
        ) as host,
    ):
        channel = await host.link.channel()
        for count in counts:
            await run(host, int(count))
            async with asyncio.timeout(20):
                while await channel.list_execs():
                    await asyncio.sleep(0.01)
            assert host.execs.running_here == 0
            gc.collect()
            both = held(os.getpid(), len(asyncio.all_tasks())), held(int(agent))
            print(json.dumps([attrs.asdict(each) for each in both]), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
