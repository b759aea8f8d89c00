"""What a host's tests give the kit, and what the kit makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest
import pytest_asyncio

import devbench_core
from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.hookspecs import hookimpl
from devbench_core.model.event import Event
from devbench_core.testing.kit.claims import Claims, Trait
from devbench_core.testing.kit.held import HeldToClaims
from devbench_core.testing.kit.host_lab import Lab

OpenHost = Callable[..., AbstractAsyncContextManager[Bench]]
"""Opens a host of the configuration, as often as a test likes; tables that are given are laid over its own."""
REMOVE_S = 60.0
GRACE_S = 0.3
"""What ignores TERM costs a test so much, unless the configuration says otherwise."""


class Observer:
    """A plugin that keeps what observers are told."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    @hookimpl
    def devbench_event(self, event: Event) -> None:
        """Keep it."""
        self.told.append(event)


class WithHost(HeldToClaims):
    """Tests of an open host, and of one container that they share: a test costs what its calls cost.

    Needs ``host_config`` (a configuration for `devbench_core.open` whose store keeps what it has when it is opened
    again) and ``claims``, both of the scope of a class; the next fixture may be given, of the same scope.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def host_plugins(cls) -> Sequence[object]:
        """May give plugins, as objects, of what the configuration names and is not installed."""
        return ()

    @pytest.fixture(scope="class")
    @classmethod
    def observer(cls) -> Observer:
        """Give what is told of all hosts of the class."""
        return Observer()

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def open_host(
        cls,
        host_config: Mapping[str, Any],
        host_plugins: Sequence[object],
        claims: Claims,
        observer: Observer,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> AsyncGenerator[OpenHost]:
        """Give a function that opens a host, which tolerates that what is not claimed is absent.

        After the last test nothing of its hosts is on the engine, whatever failed. So an installation that has
        containers already is somebody's, and is not touched.
        """
        folder = tmp_path_factory.mktemp("host")
        usual = {
            "state_dir": str(folder / "state"),
            "cache_dir": str(folder / "cache"),
            "execs": {"grace_s": GRACE_S},
            "policy": {"tolerate_absent": claims.tolerated},
        }

        def opened(**tables: Any) -> AbstractAsyncContextManager[Bench]:
            config = _over(_over(usual, host_config), tables)
            return devbench_core.open(config, plugins=(*host_plugins, observer))

        async with opened() as first:
            if there := [each async for each in first.runtime.list(first.installation)]:
                pytest.fail(
                    f"the installation has {len(there)} containers already, for example {there[0].container_id}: "
                    "give host_config a store or a state_dir of its own"
                )
        yield opened
        async with opened() as last:
            await _remove_all(last)

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def bench(cls, open_host: OpenHost) -> AsyncGenerator[Bench]:
        """Give an open host."""
        async with open_host() as opened:
            yield opened

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def lab(cls, bench: Bench, claims: Claims) -> Lab:
        """Give a container of it."""
        spawned = await bench.containers.spawn(SpawnRequest())
        return Lab(bench=bench, container=spawned.container.id, has_shell=claims.has(Trait.SHELL))


async def _remove_all(bench: Bench) -> None:
    """Remove every container of an installation; what cannot be removed keeps no other from it."""
    failures: list[Exception] = []
    for seen in [each async for each in bench.runtime.list(bench.installation)]:
        try:
            async with asyncio.timeout(REMOVE_S):
                await bench.runtime.remove(seen.ref)
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
    if failures:
        raise ExceptionGroup("containers of the tests stay on the engine", failures)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another, table by table."""
    joined = dict(below)
    for name, value in above.items():
        own = joined.get(name)
        joined[name] = value
        if isinstance(own, Mapping) and isinstance(value, Mapping):
            joined[name] = {**cast("Mapping[str, Any]", own), **cast("Mapping[str, Any]", value)}
    return joined
