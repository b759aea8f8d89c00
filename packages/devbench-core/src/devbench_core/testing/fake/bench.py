"""A bench on fakes alone, for tests of tools, plugins and front ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.policy import Clause
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.lock import FakeLock
from devbench_core.testing.fake.plugin import FAKE, FakePlugin
from devbench_core.testing.fake.runtime import FakeRuntime
from devbench_core.testing.fake.scanner import FakeScanner
from devbench_core.testing.fake.store import FakeStore

if TYPE_CHECKING:
    from devbench_core.bench import Bench
    from devbench_core.json_types import JsonObject

LOOSE: dict[str, object] = {"tolerate_absent": [str(clause) for clause in Clause]}
"""A policy table that lets a runtime be used which enforces nothing."""
SELDOM_S = 600.0
"""How often a fake bench does its periodic work by itself: not within a test."""

Opener = Callable[..., "AbstractAsyncContextManager[Bench]"]
"""Opens a bench on the same store, engine and clock, as often as a test likes."""


@attrs.frozen(kw_only=True, eq=False)
class FakeBench:
    """An open bench and the fakes beneath it.

    Attributes:
        bench: As a front end opens it.
        plugin: Offers the fakes.
        folder: Holds the containers' folders and all that lasts.
    """

    bench: Bench
    plugin: FakePlugin
    folder: Path
    _plugins: tuple[object, ...] = attrs.field(alias="plugins")

    @property
    def clock(self) -> FakeClock:
        """What tells the time to all of it."""
        return self.plugin.clock

    @property
    def runtime(self) -> FakeRuntime:
        """Beneath the bench."""
        return self.plugin.runtime

    @property
    def store(self) -> FakeStore:
        """Beneath the bench."""
        return self.plugin.store

    @property
    def lock(self) -> FakeLock:
        """Beneath the bench."""
        return self.plugin.lock

    @property
    def scanner(self) -> FakeScanner:
        """Beneath the bench."""
        return self.plugin.scanner

    async def call(self, tool: str, /, *, by: Caller = LOCAL, **arguments: Any) -> JsonObject:
        """Call a tool as front ends do, and return its result as JSON values.

        Raises:
            DevbenchError: As the client is told.
        """
        from devbench_core.tools.call import call_tool

        return (await call_tool(self.bench, tool, arguments, caller=by)).structured

    async def advance(self, seconds: float) -> None:
        """Let time pass, and do what a host does from time to time: what is due ends, what is old is forgotten."""
        self.clock.pass_s(seconds)
        await self.bench.containers.beat()
        await self.bench.containers.sweep()
        await self.bench.execs.sweep()

    def host(self, *, serving: bool = True, **values: Any) -> AbstractAsyncContextManager[Bench]:
        """Open another host on the same fakes, as `fake_bench` does: beside the first one, or after a restart."""
        return _opened(self.folder, self.plugin, self._plugins, serving=serving, values=values)

    async def left(self) -> list[str]:
        """Return the ids of the containers that the runtime has, past its faults."""
        return [observed.container_id async for observed in self.runtime.local.list(self.bench.installation)]


@asynccontextmanager
async def fake_bench(
    folder: Path, *plugins: object, serving: bool = True, **values: Any
) -> AsyncGenerator[FakeBench, None]:
    """Open a bench on fakes: real agents and commands as plain processes, without any engine or isolation.

    Afterwards no fault is left, and no container, persistent ones included.

    Args:
        folder: Private to the test.
        plugins: What is tested, as plugin objects.
        serving: See `devbench_core.open`.
        values: Settings, by their tables: ``execs={"concurrent_per_container": 1}``.
    """
    plugin = FakePlugin(folder / "containers")
    installation = ""
    try:
        async with _opened(folder, plugin, plugins, serving=serving, values=values) as bench:
            installation = bench.installation
            try:
                yield FakeBench(bench=bench, plugin=plugin, folder=folder, plugins=plugins)
            finally:
                plugin.heal()
    finally:
        async for observed in plugin.runtime.local.list(installation):
            await plugin.runtime.local.remove(observed.ref)


def _opened(
    folder: Path, plugin: FakePlugin, plugins: tuple[object, ...], *, serving: bool, values: dict[str, Any]
) -> AbstractAsyncContextManager[Bench]:
    import devbench_core

    config: dict[str, Any] = {
        "plugins": [],
        "runtime": FAKE,
        "store": FAKE,
        "lock": FAKE,
        "scanners": [FAKE],
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "policy": LOOSE,
        "startup": {"engine_wait_s": 0, "heartbeat_s": SELDOM_S, "dead_after_s": 2 * SELDOM_S},
        "lifetimes": {"check_interval_s": SELDOM_S},
    }
    for name, value in values.items():
        table = config.get(name)
        config[name] = {**table, **value} if isinstance(table, dict) and isinstance(value, dict) else value
    return devbench_core.open(config, plugins=[plugin, *plugins], clock=plugin.clock, serving=serving)
