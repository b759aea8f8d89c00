"""All rounds on Docker."""

from __future__ import annotations

import asyncio

import aiodocker
from mcp import Client

import devbench_core
from performance import burst, nothing, output
from performance.beside import measure as measure_beside
from performance.measure import Figures, Row, Step, interleave, line, timed
from performance.ours import Mcp, Python, serving
from performance.raw_docker import RawDocker
from performance.setting import Setting

KIB, MIB = 1024, 1024 * 1024
IN_A_ROW = 10


async def run(setting: Setting) -> list[Row]:
    """Measure everything on Docker."""
    config = setting.write_config("python", runtime="docker", host=setting.docker_host)
    async with (
        aiodocker.Docker(url=setting.docker_host) as client,
        devbench_core.open(config) as bench,
        serving(setting.write_config("mcp", runtime="docker", host=setting.docker_host)) as url,
        Client(url) as mcp_client,
    ):
        raw = RawDocker(client, setting.image)
        ours, mcp = Python(bench, setting.image), Mcp(mcp_client, setting.image)
        rows = await _life(setting, raw, ours, mcp)
        for contender in (raw, ours, mcp):
            await contender.spawn()
        try:
            rows += await _commands(setting, raw, ours, mcp)
            rows += await _files(setting, raw, ours, mcp)
            rows.append(await measure_beside(setting, bench, ours))
            rows.append(await _output(setting, raw, bench, ours))
        finally:
            for contender in (raw, ours, mcp):
                await contender.kill()
        rows += await _many(setting, client, bench)
        return rows


async def _life(setting: Setting, raw: RawDocker, ours: Python, mcp: Mcp) -> list[Row]:
    spawn = await interleave(
        "cold spawn",
        {"raw engine": raw.spawn, "Python": ours.spawn, "MCP over HTTP": mcp.spawn},
        after={"raw engine": raw.kill, "Python": ours.kill, "MCP over HTTP": mcp.kill},
        rounds=setting.slow,
        bounds={"Python": 1.15},
    )
    kill = await _kills(setting, raw, ours, mcp)
    return [spawn, kill]


async def _kills(setting: Setting, raw: RawDocker, ours: Python, mcp: Mcp) -> Row:
    """Measure kills; each needs a spawn of its own before it, which is not measured."""
    contenders = [("raw engine", raw), ("Python", ours), ("MCP over HTTP", mcp)]
    samples: dict[str, list[float]] = {name: [] for name, _ in contenders}
    for number in range(setting.kills):
        turn = number % len(contenders)
        for name, contender in contenders[turn:] + contenders[:turn]:
            await contender.spawn()
            samples[name].append(await timed(contender.kill))
    figures = {name: Figures.of(values) for name, values in samples.items()}
    row = Row(operation="kill", figures=figures, bounds={"Python": 1.1})
    print(line(row), flush=True)  # noqa: T201 - progress
    return row


async def _commands(setting: Setting, raw: RawDocker, ours: Python, mcp: Mcp) -> list[Row]:
    contenders: dict[str, Step] = {"raw engine": raw.true, "Python": ours.true, "MCP over HTTP": mcp.true}
    return [
        await interleave(
            "trivial command, in a row",
            contenders,
            rounds=setting.quick // IN_A_ROW,
            in_a_row=IN_A_ROW,
            bounds={"Python": 0.04, "MCP over HTTP": 0.12},
            bounds_ms={"Python": 2.0},
        ),
        await interleave("trivial command", contenders, rounds=setting.quick),
    ]


async def _files(setting: Setting, raw: RawDocker, ours: Python, mcp: Mcp) -> list[Row]:
    rows: list[Row] = []
    for label, size in (("1 KiB", KIB), ("1 MiB", MIB)):
        data, text = b"x" * size, "x" * min(size, 512 * KIB)

        async def raw_write(data: bytes = data) -> None:
            await raw.write("raw.bin", data)

        async def our_write(data: bytes = data) -> None:
            await ours.write("our.bin", data)

        async def durable_write(data: bytes = data) -> None:
            await ours.write("durable.bin", data, durable=True)

        async def mcp_write(text: str = text) -> None:
            await mcp.write("mcp.bin", text)

        async def raw_read(size: int = size) -> None:
            await raw.read("raw.bin", size)

        async def our_read(size: int = size) -> None:
            await ours.read("our.bin", size)

        async def mcp_read(size: int = size) -> None:
            await mcp.read("mcp.bin", size)

        small = size == KIB
        writers: dict[str, Step] = {"raw engine": raw_write, "Python": our_write}
        durable: dict[str, Step] = {"raw engine": raw_write, "Python": durable_write}
        readers: dict[str, Step] = {"raw engine": raw_read, "Python": our_read}
        if small:
            writers["MCP over HTTP"] = mcp_write
            readers["MCP over HTTP"] = mcp_read
        bounds = {"Python": 0.05, "MCP over HTTP": 0.15} if small else {"Python": 0.25}
        rows.append(await interleave(f"write {label}", writers, rounds=setting.quick, bounds=bounds))
        rows.append(await interleave(f"read {label}", readers, rounds=setting.quick, bounds=bounds))
        # apart: what waits for the disk holds up whoever writes next
        rows.append(await interleave(f"write {label}, durable", durable, rounds=setting.quick))
    return rows


async def _output(setting: Setting, raw: RawDocker, bench: devbench_core.Bench, ours: Python) -> Row:
    """Measure how long a large output takes to its end; at least 0.8 of the raw engine's rate."""
    size = setting.output_mb * output.MB
    return await interleave(
        f"output of {setting.output_mb} MB, read to its end",
        {"raw engine": lambda: output.docker(raw, size), "Python": lambda: output.ours(bench, ours, size)},
        rounds=setting.outputs,
        bounds={"Python": 1 / 0.8},
        warm_up=1,
    )


async def _many(setting: Setting, client: aiodocker.Docker, bench: devbench_core.Bench) -> list[Row]:
    """Measure the time per command with many callers over several containers."""
    raws = [RawDocker(client, setting.image) for _ in range(burst.CONTAINERS)]
    ours = [Python(bench, setting.image) for _ in range(burst.CONTAINERS)]
    program = await asyncio.to_thread(nothing.build)
    for contender in (*raws, *ours):
        await contender.spawn()
        await contender.put_nothing(program)
    try:
        return [
            await burst.measure(
                "trivial command (`true`)",
                {
                    "raw engine": ([raw.true for raw in raws], setting.burst_raw),
                    "Python": ([our.true for our in ours], setting.burst),
                },
                bounds={},
            ),
            await burst.measure(
                "empty program",
                {
                    "raw engine": ([raw.nothing for raw in raws], setting.burst_raw),
                    "Python": ([our.nothing for our in ours], setting.burst),
                },
                bounds={"Python": 1 / 40},
            ),
        ]
    finally:
        for contender in (*raws, *ours):
            await contender.kill()
