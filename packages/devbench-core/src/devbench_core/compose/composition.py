"""Puts the plugins' offers together and chooses from them what the configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import attrs
from pydantic import BaseModel, ValidationError

from devbench_core.builtin import builtin_plugins
from devbench_core.compose.discovery import (
    KNOWN_DISTRIBUTIONS,
    Found,
    PluginSource,
    installed,
    line_to_write,
    load,
    scan,
)
from devbench_core.compose.failing import failure
from devbench_core.compose.registry import Registry
from devbench_core.config.faults import explain
from devbench_core.config.settings import AUTO, Settings
from devbench_core.contracts.provider import Provider
from devbench_core.hookspecs import Lifespan
from devbench_core.nearest import suggestion
from devbench_core.tool import Tool

T = TypeVar("T")
LASTING_STORE = "sql"
AUTO_ORDER = ("docker", "podman", "bubblewrap")
"""``runtime = "auto"`` tries these first, in this order, then whatever else is installed."""


@attrs.frozen(kw_only=True, eq=False)
class Chosen:
    """A provider with its validated settings."""

    provider: Provider[Any]
    settings: BaseModel


@attrs.frozen(kw_only=True, eq=False)
class Composition:
    """All that was found, and what the configuration picked of it. Nothing is open yet.

    Attributes:
        registry: For reviews and events.
        plugins: The sources of the registered plugins, built-ins first.
        runtimes: Candidates in order; exactly one unless the configuration says ``auto``.
        store: The one state store.
        lock: The one lock.
        scanners: Those that the configuration names.
        tools: By name.
        lifespans: In order of registration.
    """

    registry: Registry
    plugins: tuple[PluginSource, ...]
    runtimes: tuple[Chosen, ...]
    store: Chosen
    lock: Chosen
    scanners: tuple[Chosen, ...]
    tools: Mapping[str, Tool]
    lifespans: tuple[Lifespan, ...]


def compose(settings: Settings, *, extra: Sequence[object] = ()) -> Composition:
    """Load, register and choose.

    Args:
        settings: The validated configuration.
        extra: Plugin objects of the embedding program, registered beside those found by entry points.

    Raises:
        CompositionFailed: With every fault there is, each saying what to do.
        PluginIncompatible: The same, when a plugin that is to be used is made for another version of the plugin API.
    """
    faults: list[str] = []
    registry = Registry()
    points = scan()
    for found in (*builtin_plugins(), *_embedded(extra), *load(settings.plugins, faults, points)):
        registry.register(found, faults)
    sources = installed(points)
    gather = _Gatherer(registry, settings, sources, faults)
    runtimes = gather.providers("devbench_runtimes", "runtime")
    stores = gather.providers("devbench_stores", "store")
    locks = gather.providers("devbench_locks", "lock")
    scanners = gather.providers("devbench_scanners", "scanner")
    tools = gather.tools()
    gather.unknown_tables({**runtimes, **stores, **locks, **scanners})
    picked = _pick_runtimes(settings.runtime, runtimes, gather)
    store = gather.pick("store", _store_name(settings.store, stores), stores)
    lock = gather.pick("lock", settings.lock, locks)
    chosen_scanners = [gather.pick("scanner", name, scanners) for name in settings.scanners]
    lifespans = tuple(cast("Lifespan", item) for item in gather.all("devbench_lifespans"))
    if faults or store is None or lock is None:
        raise failure(faults, settings, sources)
    registry.seal()
    return Composition(
        registry=registry,
        plugins=tuple(found.source for found in registry.found),
        runtimes=picked,
        store=store,
        lock=lock,
        scanners=tuple(chosen for chosen in chosen_scanners if chosen is not None),
        tools=tools,
        lifespans=lifespans,
    )


def compose_store(settings: Settings) -> Chosen:
    """Load, register and choose the store alone: nothing else of the configuration needs to be well.

    Raises:
        CompositionFailed: There is no such store, or its settings are wrong; says what to do.
        PluginIncompatible: Its plugin is made for another version of the plugin API.
    """
    faults: list[str] = []
    registry = Registry()
    points = scan()
    for found in (*builtin_plugins(), *load(settings.plugins, faults, points)):
        registry.register(found, faults)
    sources = installed(points)
    gather = _Gatherer(registry, settings, sources, faults)
    stores = gather.providers("devbench_stores", "store")
    store = gather.pick("store", _store_name(settings.store, stores), stores)
    if store is None:
        raise failure(faults, settings, sources)
    return store


class _Gatherer:
    """Collects offers of every kind, with their faults."""

    def __init__(
        self, registry: Registry, settings: Settings, sources: Sequence[PluginSource], faults: list[str]
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._sources = sources
        self._faults = faults

    def all(self, hook: str) -> list[object]:
        return [offer for _, offer in self._offers(hook)]

    def _offers(self, hook: str) -> list[tuple[Found, object]]:
        offers: list[tuple[Found, object]] = []
        for found in self._registry.found:
            try:
                offers.extend((found, offer) for offer in self._registry.offers(hook, found))
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it becomes a named fault
                self._faults.append(f"{found.source}: {hook}() failed: {type(error).__name__}: {error}")
        return offers

    def providers(self, hook: str, kind: str) -> dict[str, Provider[Any]]:
        owners: dict[str, PluginSource] = {}
        providers: dict[str, Provider[Any]] = {}
        for found, offer in self._offers(hook):
            if not isinstance(offer, Provider):
                self._faults.append(
                    f"{found.source}: {hook}() returned {type(offer).__name__}, not a Provider"
                )
                continue
            provider = cast("Provider[Any]", offer)
            if self._claimed(kind, provider.name, found, owners):
                providers[provider.name] = provider
        return providers

    def tools(self) -> dict[str, Tool]:
        owners: dict[str, PluginSource] = {}
        tools: dict[str, Tool] = {}
        for found, offer in self._offers("devbench_tools"):
            if not isinstance(offer, Tool):
                self._faults.append(
                    f"{found.source}: devbench_tools() returned {type(offer).__name__}, not a Tool"
                )
            elif self._claimed("tool", offer.name, found, owners):
                tools[offer.name] = offer
        return tools

    def _claimed(self, kind: str, name: str, found: Found, owners: dict[str, PluginSource]) -> bool:
        rival = owners.setdefault(name, found.source)
        if rival is not found.source:
            self._faults.append(
                f"two plugins offer the {kind} {name!r}: {rival} and {found.source}; "
                "leave one out of `plugins`"
            )
            return False
        return True

    def pick(self, kind: str, name: str, providers: Mapping[str, Provider[Any]]) -> Chosen | None:
        provider = providers.get(name)
        if provider is None:
            self._faults.append(_unknown(kind, name, providers, self._settings, self._sources))
            return None
        return self.chosen(provider)

    def chosen(self, provider: Provider[Any]) -> Chosen | None:
        table = self._settings.plugin.get(provider.name, {})
        try:
            return Chosen(provider=provider, settings=provider.settings.model_validate(table))
        except ValidationError as error:
            self._faults.extend(explain(error, provider.settings, f"plugin.{provider.name}"))
            return None

    def unknown_tables(self, providers: Mapping[str, Provider[Any]]) -> None:
        known = {*providers, *(source.name for source in self._sources)}
        for name in self._settings.plugin:
            if name not in known:
                self._faults.append(
                    f"configuration has a table [plugin.{name}], but no such plugin is installed; "
                    f"{suggestion(name, known) or 'remove it'}"
                )


def _pick_runtimes(name: str, runtimes: Mapping[str, Provider[Any]], gather: _Gatherer) -> tuple[Chosen, ...]:
    if name != AUTO:
        chosen = gather.pick("runtime", name, runtimes)
        return () if chosen is None else (chosen,)
    if not runtimes:
        gather.pick("runtime", "bubblewrap", runtimes)
    order = [*(n for n in AUTO_ORDER if n in runtimes), *sorted(set(runtimes) - set(AUTO_ORDER))]
    candidates = [gather.chosen(runtimes[candidate]) for candidate in order]
    return tuple(candidate for candidate in candidates if candidate is not None)


def _store_name(name: str, stores: Mapping[str, Provider[Any]]) -> str:
    """Return which store ``auto`` means: the lasting one when it is installed."""
    if name != AUTO:
        return name
    return LASTING_STORE if LASTING_STORE in stores else "memory"


def _unknown(
    kind: str,
    name: str,
    providers: Mapping[str, Provider[Any]],
    settings: Settings,
    installed_sources: Sequence[PluginSource],
) -> str:
    sources = {source.name: source for source in installed_sources}
    if name in sources and not sources[name].is_compatible:
        return f"{kind} {name!r}: {sources[name]} {sources[name].mismatch}"
    if name in sources and sources[name].fault:
        return f"{kind} {name!r}: {sources[name]}: {sources[name].fault}; reinstall it"
    if name in sources and not sources[name].enabled(settings.plugins):
        line = line_to_write(name, settings.plugins, installed_sources)
        return f"{kind} {name!r}: its plugin is installed but not enabled; to trust it, write {line}"
    if name in sources:
        return f"{kind} {name!r}: {sources[name]} offers no {kind}"
    if name in KNOWN_DISTRIBUTIONS:
        return f"{kind} {name!r}: not installed; try: uv add {KNOWN_DISTRIBUTIONS[name]}"
    return f"{kind} {name!r}: unknown; {suggestion(name, providers) or 'no plugin offers one'}"


def _embedded(extra: Sequence[object]) -> tuple[Found, ...]:
    return tuple(
        Found(
            source=PluginSource(
                name=f"embedded-{number}",
                distribution="embedding program",
                version="0",
                target=repr(plugin)[:80],
            ),
            plugin=plugin,
        )
        for number, plugin in enumerate(extra)
    )
