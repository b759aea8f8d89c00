"""Batches and large files on Docker, against the engine's archive calls.

``python -m performance.files_batch_rounds`` measures these alone.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker

import devbench_core
from devbench_core.bench import Bench
from devbench_core.model.batch import BatchWrite
from performance.measure import Row, interleave
from performance.ours import Python
from performance.raw_archives import RawArchives, tar_of_many, tar_of_one
from performance.raw_docker import RawDocker
from performance.setting import Setting

MIB = 1024 * 1024
FILES = 1000
SMALL = b"x" * 500
PIECE = bytes(range(256)) * 1024  # 256 KiB
HOST_GROWTH_MAX_MIB, AGENT_MAX_MIB = 64, 8
RATE_MIN = 0.8
"""Of the engine's own."""


async def run(setting: Setting) -> list[Row]:
    """Measure all of it."""
    config = setting.write_config("files", runtime="docker", host=setting.docker_host)
    async with (
        aiodocker.Docker(url=setting.docker_host) as client,
        devbench_core.open(config) as bench,
    ):
        raw, ours = RawDocker(client, setting.image), Python(bench, setting.image)
        await raw.spawn()
        await ours.spawn()
        try:
            assert raw.container is not None
            archives = RawArchives(setting.docker_host, raw.container.id)
            rows: list[Row] = []
            # Before anything that leaves free memory behind, in which growth would be hidden.
            begun_mib = _peak_from_now_mib()
            for size_mib in sorted({1, 16, setting.stream_mib}):
                rows += await _large(setting, bench, ours, archives, size_mib)
            await _memory(client, ours, begun_mib)
            return [*rows, await _batch(setting, bench, ours, archives)]
        finally:
            await raw.kill()
            await ours.kill()


async def _batch(setting: Setting, bench: Bench, ours: Python, raw: RawArchives) -> Row:
    operations = [
        BatchWrite(path=f"batch/d{number % 20}/f{number}", data=SMALL, parents=True)
        for number in range(FILES)
    ]

    async def raw_put() -> None:
        await raw.put("/workspace", tar_of_many(FILES, SMALL))

    async def our_batch() -> None:
        await bench.files.batch(ours.container, operations)

    return await interleave(
        f"{FILES} small files at once (raw: its archive call, not atomic)",
        {"raw engine": raw_put, "Python": our_batch},
        rounds=setting.slow,
        bounds_ms={"Python": 500},
    )


async def _large(setting: Setting, bench: Bench, ours: Python, raw: RawArchives, size_mib: int) -> list[Row]:
    size = size_mib * MIB

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // len(PIECE)):
            yield PIECE

    async def raw_put() -> None:
        await raw.put("/workspace", tar_of_one("large", size, PIECE))

    async def raw_get() -> None:
        if await raw.get("/workspace/large") < size:
            raise AssertionError("short")

    async def our_write() -> None:
        await bench.files.write_stream(ours.container, "large", pieces())

    async def our_read() -> None:
        got = 0
        async with bench.files.read_stream(ours.container, "large") as stream:
            async for piece in stream:
                got += len(piece)
        if got != size:
            raise AssertionError("short")

    rounds = setting.slow if size_mib <= 16 else 3
    bounds = {"Python": 1 / RATE_MIN} if size_mib >= 1024 else {}
    into = {"raw engine": raw_put, "Python": our_write}
    out = {"raw engine": raw_get, "Python": our_read}
    return [
        await interleave(f"{size_mib} MiB in", into, rounds=rounds, bounds=bounds, warm_up=1),
        await interleave(f"{size_mib} MiB out", out, rounds=rounds, bounds=bounds, warm_up=1),
    ]


async def _memory(client: aiodocker.Docker, ours: Python, begun_mib: float) -> None:
    """Check what the streams took: of this process since they began, and of the agent in its whole life."""
    grown = _peak_mib("self") - begun_mib
    label = {"label": [f"dev.devbench.container={ours.container}"]}
    listed = await client.containers.list(filters=label)  # pyright: ignore[reportUnknownMemberType]
    shown = await listed[0].show()  # pyright: ignore[reportUnknownMemberType]
    agent = _peak_mib(str(shown["State"]["Pid"]))
    print(f"memory: host grew by {grown:.0f} MiB, agent at most {agent:.1f} MiB", flush=True)  # noqa: T201
    if grown > HOST_GROWTH_MAX_MIB or agent > AGENT_MAX_MIB:
        raise AssertionError(f"host grew by {grown:.0f} MiB, agent took {agent:.1f} MiB")


def _peak_mib(pid: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _peak_from_now_mib() -> float:
    """Give back what is free, forget this process's peak, and return what it has now (proc(5), clear_refs)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak_mib("self")


def main() -> int:
    """Measure these alone; return 1 when a bound was missed."""
    short = "--short" in sys.argv
    with tempfile.TemporaryDirectory(prefix="devbench-bench-") as folder:
        rows = asyncio.run(run(Setting.from_environment(Path(folder), short=short)))
    missed = [fault for row in rows for fault in row.broken()]
    print("\n".join(missed) or "every bound holds")  # noqa: T201 - the verdict
    return 1 if missed and not short else 0


if __name__ == "__main__":
    sys.exit(main())
