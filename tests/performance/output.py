"""One command's large output, read to its end: through devbench, and as the raw way of each runtime gives it."""

from __future__ import annotations

import asyncio

from devbench_core.bench import Bench
from devbench_core.model.execution import ExecReason, ExecRequest
from performance.ours import Python
from performance.raw_docker import RawDocker

MB = 1_000_000
WAIT_S = 30.0
READ_BYTES = 256 * 1024


def writer(size: int) -> tuple[str, ...]:
    """Return a command that writes so many bytes."""
    return ("head", "-c", str(size), "/dev/zero")


async def ours(bench: Bench, python: Python, size: int) -> None:
    """Start the command and poll its output to the end."""
    started = await bench.execs.start(python.container, ExecRequest(argv=writer(size)))
    cursor, seen = 0, 0
    while True:
        page = await bench.execs.poll(started.id, after=cursor, wait_s=WAIT_S)
        cursor, seen = page.cursor, seen + sum(len(chunk.data) for chunk in page.chunks)
        if page.ending is not None:
            break
    if seen != size or page.ending.reason is not ExecReason.EXITED:
        raise AssertionError(f"{seen} of {size} bytes, {page.ending}")


async def docker(raw: RawDocker, size: int) -> None:
    """Run the command as an exec of the engine, and read its stream."""
    seen = await raw.output(writer(size))
    if seen != size:
        raise AssertionError(f"{seen} of {size} bytes")


async def plain(size: int) -> None:
    """Run the command as a process, and read its pipe."""
    process = await asyncio.create_subprocess_exec(
        *writer(size), stdout=asyncio.subprocess.PIPE, limit=READ_BYTES
    )
    if process.stdout is None:
        raise AssertionError("no pipe")
    seen = 0
    while data := await process.stdout.read(READ_BYTES):
        seen += len(data)
    if await process.wait() != 0 or seen != size:
        raise AssertionError(f"{seen} of {size} bytes")
