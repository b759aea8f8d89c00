"""The configured store, for commands that look after it: no engine, no lock, no use case, and no reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from devbench_cli.options import Options
from devbench_core import identity
from devbench_core.clock import SystemClock
from devbench_core.compose.composition import Chosen, compose_store
from devbench_core.config.load import load_settings
from devbench_core.config.settings import Settings
from devbench_core.containers.instances import Instances
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Record, Store
from devbench_core.contracts.store_powers import DumpItem, Maintenance, SupportsDump
from devbench_core.errors import ConfigurationInvalid, Conflict, ValidationFailed
from devbench_core.pools.records import not_warm_any_more

P = TypeVar("P")
STATE_MODE = 0o700
POWERS = {
    "SupportsCheck": "cannot be checked",
    "SupportsDump": "cannot be exported",
    "SupportsLoad": "cannot take in what was exported",
    "SupportsUpgrade": "has no versions to upgrade",
    "SupportsVacuum": "has nothing to vacuum",
}


def configured(options: Options) -> Settings:
    """Return the settings of this command line."""
    return load_settings(options.config).settings


@asynccontextmanager
async def maintained(options: Options) -> AsyncGenerator[tuple[Chosen, Maintenance]]:
    """Give the maintenance of the configured store, which is not opened.

    Raises:
        ValidationFailed: The store offers none.
    """
    settings = configured(options)
    chosen = await asyncio.to_thread(compose_store, settings)
    if chosen.provider.maintain is None:
        raise _refusal(chosen, "offers no maintenance")
    async with chosen.provider.maintain(chosen.settings, _context(settings)) as maintenance:
        yield chosen, maintenance


def power_of(offered: object, power: type[P], chosen: Chosen) -> P:
    """Return something as what has a power.

    Raises:
        ValidationFailed: It has not; names the store and the power.
    """
    if not isinstance(offered, power):
        raise _refusal(chosen, f"{POWERS[power.__name__]}: it does not offer {power.__name__}")
    return offered


@asynccontextmanager
async def dumped(options: Options) -> AsyncGenerator[AsyncIterator[DumpItem]]:
    """Give everything that the configured store holds; it is opened only where its maintenance cannot do without."""
    settings = configured(options)
    chosen = await _lasting(settings)
    maintain = chosen.provider.maintain
    if maintain is not None:
        async with maintain(chosen.settings, _context(settings)) as maintenance:
            if isinstance(maintenance, SupportsDump):
                async with maintenance.dump() as items:
                    yield items
                return
    async with _opened(chosen, settings) as store, power_of(store, SupportsDump, chosen).dump() as items:
        yield items


@asynccontextmanager
async def loading(settings: Settings, *, replace: bool) -> AsyncGenerator[tuple[Chosen, Store]]:
    """Open the configured store to load it.

    Raises:
        Conflict: It is to be replaced, and hosts live on it.
    """
    chosen = await _lasting(settings)
    async with _opened(chosen, settings) as store:
        if replace and (living := await living_hosts(store, settings)):
            raise Conflict(
                f"{len(living)} hosts work on store {chosen.provider.name!r}: {', '.join(living)}",
                hint="stop them (devbench serve, devbench-mcp) before their state is replaced",
                details={"hosts": living},
            )
        yield chosen, store


async def living_hosts(store: Store, settings: Settings) -> list[str]:
    """Return the ids of the hosts that live on a store."""
    instances = Instances(store, SystemClock(), settings.startup.dead_after_s)
    return [instance.id for instance, lives in await instances.all() if lives]


async def only_of(items: AsyncIterator[DumpItem], installation: str) -> AsyncGenerator[DumpItem]:
    """Give items on, unless they are of another installation than the configuration says.

    Raises:
        ConfigurationInvalid: They are.
    """
    async for item in items:
        if isinstance(item, Record) and (item.kind, item.key) == (identity.KIND, identity.KEY):
            found = item.data.get("id")
            if installation and found != installation:
                raise ConfigurationInvalid(
                    f"the file is of installation {found!r}, the configuration says {installation!r}",
                    hint="leave `installation` out, or take the file of this installation; nothing was changed",
                )
        yield not_warm_any_more(item)


async def _lasting(settings: Settings) -> Chosen:
    chosen = await asyncio.to_thread(compose_store, settings)
    if chosen.provider.name == "memory":  # a new, empty one is opened each time
        raise _refusal(chosen, "holds nothing when its process has ended")
    return chosen


@asynccontextmanager
async def _opened(chosen: Chosen, settings: Settings) -> AsyncGenerator[Store]:
    await asyncio.to_thread(settings.state_dir.mkdir, parents=True, exist_ok=True, mode=STATE_MODE)
    opening: Any = chosen.provider.open(chosen.settings, _context(settings))
    async with opening as store:
        yield store


def _context(settings: Settings) -> OpenContext:
    return OpenContext(
        installation="", state_dir=settings.state_dir, cache_dir=settings.cache_dir, clock=SystemClock()
    )


def _refusal(chosen: Chosen, why: str) -> ValidationFailed:
    return ValidationFailed(
        "store", f"{chosen.provider.name!r} {why}", hint='a lasting store does: store = "sql"'
    )
