"""The rounds on bubblewrap, against bwrap itself and plain subprocesses."""

from __future__ import annotations

import asyncio

import devbench_core
from performance import burst, nothing, output, warm_rounds
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
        size = setting.output_mb * output.MB
        read = await interleave(
            f"output of {setting.output_mb} MB, read to its end (raw: a plain subprocess)",
            {"raw subprocess": lambda: output.plain(size), "Python": lambda: output.ours(bench, ours, size)},
            rounds=setting.outputs,
            warm_up=1,
        )
        await ours.kill()
        many = await _many(setting, bench)
    own = setting.write_config("bubblewrap-warm", runtime="bubblewrap")
    warm = await warm_rounds.run(setting, own, "host", bounds=False)
    return [spawn, *warm, row, command, beside, read, *many]


async def _many(setting: Setting, bench: devbench_core.Bench) -> list[Row]:
    """Measure the time per command with many callers over several containers."""
    ours = [Python(bench, "host") for _ in range(burst.CONTAINERS)]
    program = await asyncio.to_thread(nothing.build)
    path = setting.folder / nothing.NAME
    await asyncio.to_thread(path.write_bytes, program)
    await asyncio.to_thread(path.chmod, 0o755)
    for contender in ours:
        await contender.spawn()
        await contender.put_nothing(program)
    try:
        return [
            await burst.measure(
                f"{name} (raw: a plain subprocess)",
                {
                    "raw subprocess": ([lambda raw=raw: plain(raw)], setting.burst),
                    "Python": (steps, setting.burst),
                },
                bounds={},
            )
            for name, raw, steps in (
                ("trivial command (`true`)", "true", [our.true for our in ours]),
                ("empty program", str(path), [our.nothing for our in ours]),
            )
        ]
    finally:
        for contender in ours:
            await contender.kill()


async def bwrap() -> None:
    """Start a sandbox that does nothing."""
    process = await asyncio.create_subprocess_exec(*RAW)
    if await process.wait() != 0:
        raise AssertionError("bwrap failed")


async def plain(program: str = "true") -> None:
    """Start a process that does nothing."""
    process = await asyncio.create_subprocess_exec(program)
    if await process.wait() != 0:
        raise AssertionError(program)
