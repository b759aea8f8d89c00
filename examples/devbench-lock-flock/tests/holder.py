"""``python holder.py FOLDER TIMES``: says ``ready``; given a line, holds the key ``k`` so often and counts.

With 0 times it says ``held`` instead and goes on until it is killed.
"""

import asyncio
import sys
from pathlib import Path

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_lock_flock import plugin

(PROVIDER,) = plugin.devbench_locks()


def say(word: str) -> None:
    """Tell the test, which waits for it."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(folder: Path, times: int) -> None:
    """Hold it."""
    clock = SystemClock()  # the kit's `open_provider` does the same, and takes a second to import
    context = OpenContext(
        installation="i_test", state_dir=folder / "state", cache_dir=folder / "cache", clock=clock
    )
    async with PROVIDER.open(PROVIDER.settings(), context) as lock:
        if not times:
            async with lock.hold("k", ttl_s=5, wait_s=30):
                say("held")
                await asyncio.Event().wait()
        say("ready")
        sys.stdin.readline()
        for _ in range(times):
            async with lock.hold("k", ttl_s=5, wait_s=30) as lease:
                counted = folder / "counted"
                before = counted.read_text()
                await asyncio.sleep(0)
                counted.write_text(f"{before}{lease.token}\n")


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
