"""The opened core: everything that a front end or a Python program uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import BaseModel

from devbench_core import identity, metrics
from devbench_core.clock import Clock, SystemClock
from devbench_core.compose.composition import Composition, compose
from devbench_core.compose.opening import open_chosen, open_runtime
from devbench_core.config.load import from_values, load_settings
from devbench_core.config.settings import Settings
from devbench_core.containers.instances import sign_of, this_process
from devbench_core.containers.presence import SignedStore
from devbench_core.containers.service import Containers
from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.store import Store
from devbench_core.ids import INSTANCE, new_id
from devbench_core.leading.fencing import FencedStore
from devbench_core.logs import get_logger
from devbench_core.tasks import background
from devbench_core.tool import Tool
from devbench_core.wiring import Parts, Services

if TYPE_CHECKING:
    from devbench_core.contracts.scanner import Scanner
    from devbench_core.execs import Execs
    from devbench_core.files import Files
    from devbench_core.images import Images
    from devbench_core.pools import Pools
    from devbench_core.shells import Shells

__all__ = ["Bench", "Config", "open"]

log = get_logger(__name__)
MEMORY = "memory"
"""The store that no restart, and no other host, sees again."""
STATE_MODE = 0o700


@attrs.frozen(kw_only=True, eq=False)
class Bench:
    """The opened core.

    Attributes:
        settings: The validated configuration.
        composition: What was found and chosen.
        installation: The identity on the engine.
        instance: This process's id among the hosts of the installation.
        store: The open state store.
        lock: The open lock.
        runtime: The open runtime.
        scanners: The open scanners.
        services: The use cases, behind the properties.
    """

    settings: Settings
    composition: Composition
    installation: str
    instance: str
    store: Store
    lock: Lock
    runtime: Runtime
    scanners: tuple[Scanner, ...]
    services: Services

    @property
    def containers(self) -> Containers:
        """Spawn, attach, kill, inspect, list."""
        return self.services.containers

    @property
    def execs(self) -> Execs:
        """Run commands and follow them."""
        return self.services.execs

    @property
    def shells(self) -> Shells:
        """Open shells that keep their state, and run scripts in them."""
        return self.services.shells

    @property
    def files(self) -> Files:
        """Read and write files of workspaces."""
        return self.services.files

    @property
    def pools(self) -> Pools:
        """Containers that wait for spawns that ask for exactly such ones."""
        return self.services.pools

    @property
    def images(self) -> Images:
        """Resolve and list images."""
        return self.services.images

    @property
    def tools(self) -> Mapping[str, Tool]:
        """What clients can call, by name."""
        return self.composition.tools


Config = Path | str | Mapping[str, Any] | Settings | None


def settings_from(config: Config, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return settings from a file, from nested values, or as searched for when None.

    Raises:
        ConfigurationInvalid: With every fault.
    """
    if isinstance(config, Settings):
        return config
    if isinstance(config, Mapping):
        return from_values(config, overrides=overrides)
    return load_settings(Path(config) if config else None, overrides=overrides).settings


@asynccontextmanager
async def open(  # noqa: A001 - read as devbench_core.open
    config: Config = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    plugins: Sequence[object] = (),
    clock: Clock | None = None,
    serving: bool = True,
    passive: bool = False,
) -> AsyncGenerator[Bench, None]:
    """Open the core.

    Entered in order: store, lock, runtime, scanners; then state is reconciled; then lifespans; then the caller.
    Left in the opposite order; containers that are not persistent are killed on the way.

    Args:
        config: A file's path, nested values as in a file, ready settings, or None to search for the file.
            Variables ``DEVBENCH_…`` count unless values or settings are given.
        overrides: Nested values that win over everything.
        plugins: Plugin objects of the embedding program, beside those found by entry points.
        clock: Where time comes from.
        serving: A host that stays: it adopts what dead hosts left. False for a short command, which leaves
            the containers of others, and its own, as they are.
        passive: Only to look: nothing is reconciled, and no lifespan runs.

    Raises:
        ConfigurationInvalid: The configuration has faults; all are named.
        CompositionFailed: Plugins are missing or faulty; all faults are named.
        EngineUnreachable: The engine is silent and ``startup.engine_silent`` is ``fail``.
        StoreFailed: The store cannot be opened.
    """
    settings, composition = await asyncio.to_thread(_composed, config, overrides, plugins)
    if serving:
        await asyncio.to_thread(metrics.registry)
    ticking = clock or SystemClock()
    await asyncio.to_thread(_folders, settings)
    async with AsyncExitStack() as stack:
        context = OpenContext(
            installation="", state_dir=settings.state_dir, cache_dir=settings.cache_dir, clock=ticking
        )
        store: Store = await open_chosen(composition.store, context, stack)
        installation = await _installation(settings, composition, store, stack)
        context = attrs.evolve(context, installation=installation)
        lock: Lock = await open_chosen(composition.lock, context, stack)
        runtime = await open_runtime(composition.runtimes, context, settings.startup, stack)
        scanners = tuple([await open_chosen(chosen, context, stack) for chosen in composition.scanners])
        instance = new_id(INSTANCE)
        stays = serving and not passive
        own = this_process(instance, serving=stays, now=ticking.now(), runtime=runtime.name)
        signed = SignedStore(store, lambda: sign_of(own, ticking.now()))
        async with background() as tasks:
            parts = Parts(
                settings=settings,
                registry=composition.registry,
                installation=installation,
                own=own,
                serving=stays,
                lasting=composition.store.provider.name != MEMORY,
                store=FencedStore(signed),
                signed=signed,
                runtime=runtime,
                clock=ticking,
                tasks=tasks,
                runtime_settings=_settings_of(runtime, composition),
                plugins=composition.plugins,
            )
            bench = Bench(
                settings=settings,
                composition=composition,
                installation=installation,
                instance=instance,
                store=store,
                lock=lock,
                runtime=runtime,
                scanners=scanners,
                services=Services(parts),
            )
            async with _served(bench, passive=passive):
                yield bench


@asynccontextmanager
async def _served(bench: Bench, *, passive: bool) -> AsyncGenerator[None, None]:
    """Reconcile, run the lifespans for the block, and end this host's responsibility."""
    async with AsyncExitStack() as stack:
        # each of these runs whatever the others raise: an open link would keep its tasks, and us, alive for ever
        stack.push_async_callback(bench.containers.close)
        stack.push_async_callback(bench.services.close_execs)
        stack.callback(bench.services.close_shells)
        stack.push_async_callback(bench.containers.leave)
        if not passive:
            stack.push_async_callback(bench.services.leave_pools)
            stack.push_async_callback(bench.containers.stopping)  # when the heart beats no longer
            if bench.services.serving:
                await bench.services.announce()
            await bench.containers.reconcile()
            for lifespan in bench.composition.lifespans:
                await stack.enter_async_context(lifespan(bench))
        yield


def _composed(
    config: Config, overrides: Mapping[str, Any] | None, plugins: Sequence[object]
) -> tuple[Settings, Composition]:
    """Read files, metadata and modules: in a thread, since all that takes a while."""
    settings = settings_from(config, overrides)
    return settings, compose(settings, extra=plugins)


async def _installation(
    settings: Settings, composition: Composition, store: Store, stack: AsyncExitStack
) -> str:
    if composition.store.provider.name == MEMORY:
        return stack.enter_context(identity.slot(settings.state_dir, settings.installation))
    return await identity.lasting(store, settings.installation)


def _settings_of(runtime: Runtime, composition: Composition) -> BaseModel | None:
    """Return the settings of the runtime that was opened."""
    return next(
        (chosen.settings for chosen in composition.runtimes if chosen.provider.name == runtime.name), None
    )


def _folders(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=STATE_MODE)
    settings.cache_dir.mkdir(parents=True, exist_ok=True, mode=STATE_MODE)
