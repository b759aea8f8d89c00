"""Composes with just the named plugin, and opens and uses what it offers. Runs where only that is installed."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel

import devbench_core
from devbench_core.clock import SystemClock
from devbench_core.compose.composition import compose
from devbench_core.config.load import load_settings
from devbench_core.containers import SpawnRequest
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import LockFailed
from devbench_core.hookspecs import hookimpl
from devbench_core.model.execution import ExecRequest

IMAGES = {
    "docker": "devbench-test/busybox:latest",
    "podman": "devbench-test/busybox:latest",
    "bubblewrap": "host",
}
LOCKS = ("redis",)
WAIT_S = 30


class _NoSettings(BaseModel):
    """Nothing can be set."""


class _Nowhere:
    """A runtime that composes and does not open, where no real one is installed."""

    @hookimpl
    def devbench_runtimes(self) -> list[Provider[Runtime]]:
        return [Provider(name="nowhere", settings=_NoSettings, open=self._open)]

    @asynccontextmanager
    async def _open(self, _settings: Any, _context: OpenContext) -> AsyncGenerator[Runtime, None]:
        raise AssertionError("nobody opens it")
        yield


async def _use(runtime: str) -> None:
    overrides = {"plugins": [runtime], "runtime": runtime, "store": "memory"}
    async with devbench_core.open(overrides=overrides) as bench:
        spawned = await bench.containers.spawn(SpawnRequest(image=IMAGES[runtime]))
        container = spawned.container.id
        started = await bench.execs.start(container, ExecRequest(argv=("echo", "alone")))
        ended = await bench.execs.wait(started.id, wait_s=WAIT_S)
        assert ended.ending is not None, ended
        assert ended.ending.exit_code == 0, ended
        await bench.containers.kill(container)


async def _open_store(store: str) -> None:
    settings = load_settings(overrides={"plugins": [store], "runtime": "nowhere", "store": store}).settings
    composition = compose(settings, extra=[_Nowhere()])
    settings.state_dir.mkdir(parents=True)
    context = OpenContext(
        installation="",
        state_dir=settings.state_dir,
        cache_dir=settings.cache_dir,
        clock=SystemClock(),
    )
    async with composition.store.provider.open(composition.store.settings, context) as opened:
        assert opened is not None


async def _open_lock(lock: str) -> None:
    settings = load_settings(overrides={"plugins": [lock], "runtime": "nowhere", "lock": lock}).settings
    composition = compose(settings, extra=[_Nowhere()])
    context = OpenContext(
        installation="",
        state_dir=settings.state_dir,
        cache_dir=settings.cache_dir,
        clock=SystemClock(),
    )
    try:
        async with composition.lock.provider.open(composition.lock.settings, context) as opened:
            assert opened is not None
    except LockFailed as error:
        if "cannot be reached" not in error.message:  # nobody has started a server
            raise


async def _use_any(plugin: str) -> None:
    if plugin in IMAGES:
        await _use(plugin)
    elif plugin in LOCKS:
        await _open_lock(plugin)
    else:
        await _open_store(plugin)


def main(plugins: list[str]) -> None:
    """Use each plugin; without one, compose from core alone."""
    if not plugins:
        settings = load_settings(overrides={"plugins": [], "runtime": "nowhere", "store": "memory"}).settings
        assert compose(settings, extra=[_Nowhere()]).tools
    for plugin in plugins:
        asyncio.run(_use_any(plugin))


main(sys.argv[1:])
