"""All rounds on Docker."""

from __future__ import annotations

import asyncio

import aiodocker
from mcp import Client

import devbench_core
from performance import burst, content_rounds, nothing, output, warm_rounds
from performance.beside import measure as measure_beside
from performance.measure import Figures, Row, Step, in_a_row, interleave, line, timed
from performance.ours import Mcp, Python, serving
from performance.raw_docker import RawDocker
from performance.setting import Setting


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
            rows += await content_rounds.run(setting, raw, ours, mcp)
            rows.append(await measure_beside(setting, bench, ours))
            rows.append(await _output(setting, raw, bench, ours))
        finally:
            for contender in (raw, ours, mcp):
                await contender.kill()
        rows += await _many(setting, client, bench)
    warm = setting.write_config("warm", runtime="docker", host=setting.docker_host)
    return [*rows, *await warm_rounds.run(setting, warm, setting.image, bounds=True)]


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
        await in_a_row(
            "trivial command",
            contenders,
            samples=setting.quick,
            bounds={"Python": 0.04, "MCP over HTTP": 0.12},
            bounds_ms={"Python": 2.0},
        ),
        await interleave("trivial command", contenders, rounds=setting.quick),
    ]


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
