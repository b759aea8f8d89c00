"""The rounds on bubblewrap, against bwrap itself and plain subprocesses."""

from __future__ import annotations

import asyncio

import devbench_core
from performance.beside import measure as measure_beside
from performance.measure import Row, interleave
from performance.ours import Python
from performance.setting import Setting

IN_A_ROW = 10
RAW = (
    *("bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"),
    *("--tmpfs", "/tmp", "--cap-drop", "ALL", "true"),
)


async def run(setting: Setting) -> list[Row]:
    """Measure everything on bubblewrap."""
    config = setting.write_config("bubblewrap", runtime="bubblewrap")
    async with devbench_core.open(config) as bench:
        ours = Python(bench, "host")
        spawn = await interleave(
            "cold spawn (raw: bwrap running true)",
            {"raw bwrap": bwrap, "Python": ours.spawn},
            after={"Python": ours.kill},
            rounds=setting.slow,
        )
        await ours.spawn()
        command = await interleave(
            "trivial command (raw: a plain subprocess)",
            {"raw subprocess": plain, "Python": ours.true},
            rounds=setting.quick,
        )
        row = await interleave(
            "trivial command, in a row (raw: a plain subprocess)",
            {"raw subprocess": plain, "Python": ours.true},
            rounds=setting.quick // IN_A_ROW,
            in_a_row=IN_A_ROW,
        )
        beside = await measure_beside(setting, bench, ours)
        await ours.kill()
    return [spawn, row, command, beside]


async def bwrap() -> None:
    """Start a sandbox that does nothing."""
    process = await asyncio.create_subprocess_exec(*RAW)
    if await process.wait() != 0:
        raise AssertionError("bwrap failed")


async def plain() -> None:
    """Start a process that does nothing."""
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
