"""The rounds on Podman, against its own Docker-compatible interface."""

from __future__ import annotations

import asyncio

import aiodocker

import devbench_core
from engines import images
from performance.measure import Row, interleave
from performance.ours import Python
from performance.raw_docker import RawDocker
from performance.setting import Setting

IN_A_ROW = 10
KIB = 1024
ULIMITS = [{"Name": name, "Soft": 1024, "Hard": 1024} for name in ("nofile", "nproc")]
"""Podman's own are more than a service without CAP_SYS_RESOURCE may give."""


async def run(setting: Setting) -> list[Row]:
    """Measure spawn, kill, commands and small files on Podman."""
    await asyncio.to_thread(images.provide, setting.podman_host)
    config = setting.write_config("podman", runtime="podman", host=setting.podman_host)
    async with aiodocker.Docker(url=setting.podman_host) as client, devbench_core.open(config) as bench:
        raw, ours = RawDocker(client, setting.image, ulimits=ULIMITS), Python(bench, setting.image)
        spawn = await interleave(
            "cold spawn",
            {"raw engine": raw.spawn, "Python": ours.spawn},
            after={"raw engine": raw.kill, "Python": ours.kill},
            rounds=setting.slow,
        )
        await raw.spawn()
        await ours.spawn()
        try:
            return [spawn, *await _commands(setting, raw, ours), *await _files(setting, raw, ours)]
        finally:
            await raw.kill()
            await ours.kill()


async def _commands(setting: Setting, raw: RawDocker, ours: Python) -> list[Row]:
    contenders = {"raw engine": raw.true, "Python": ours.true}
    return [
        await interleave(
            "trivial command, in a row",
            contenders,
            rounds=setting.slow,
            in_a_row=IN_A_ROW,
            bounds={"Python": 0.1},
        ),
        await interleave("trivial command", contenders, rounds=setting.slow * 4),
    ]


async def _files(setting: Setting, raw: RawDocker, ours: Python) -> list[Row]:
    data = b"x" * KIB
    return [
        await interleave(
            "write 1 KiB",
            {"raw engine": lambda: raw.write("raw.bin", data), "Python": lambda: ours.write("our.bin", data)},
            rounds=setting.slow * 4,
        ),
        await interleave(
            "read 1 KiB",
            {"raw engine": lambda: raw.read("raw.bin", KIB), "Python": lambda: ours.read("our.bin", KIB)},
            rounds=setting.slow * 4,
            bounds={"Python": 0.25},
        ),
    ]
