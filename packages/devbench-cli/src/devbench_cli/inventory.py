"""Looks at every plugin on its own, so that a broken one hides none of the others; what is not enabled is not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from devbench_core.compose.discovery import (
    EntryPoints,
    Found,
    PluginSource,
    enabled,
    installed,
    line_to_write,
    load,
    scan,
)
from devbench_core.compose.files import file_of
from devbench_core.compose.registry import Registry
from devbench_core.contracts.provider import Provider
from devbench_core.tool import Tool

OFFERING_HOOKS = {
    "devbench_runtimes": "runtime",
    "devbench_stores": "store",
    "devbench_locks": "lock",
    "devbench_scanners": "scanner",
    "devbench_tools": "tool",
    "devbench_lifespans": "lifespan",
}
OTHER_HOOKS = {"devbench_review": "review", "devbench_event": "events"}
LOADED, DISABLED, FAILED, INCOMPATIBLE = "loaded", "not enabled", "failed", "incompatible"


@attrs.frozen(kw_only=True)
class PluginReport:
    """What is known of one plugin.

    Attributes:
        source: Where it came from.
        state: ``loaded``, ``not enabled`` (the configuration leaves it out, or does not name what is not ours),
            ``incompatible`` (not enabled either, and made for another version of the plugin API) or ``failed``.
        error: Why it failed or could not be enabled, "" otherwise.
        enable_with: The line of the configuration that enables it; "" when it is, or cannot be.
        offers: By kind: what it gives through its hooks.
    """

    source: PluginSource
    state: str
    error: str = ""
    enable_with: str = ""
    offers: Mapping[str, tuple[object, ...]] = attrs.field(factory=dict[str, tuple[object, ...]])

    @property
    def is_enabled(self) -> bool:
        """Whether it may run."""
        return self.state not in {DISABLED, INCOMPATIBLE}

    @property
    def file(self) -> str:
        """The file of its module, "" when it cannot be found."""
        return str(file_of(self.source.target) or "")

    def provides(self) -> list[str]:
        """Return what it provides in words: ``runtime docker``, ``3 tools`` and so on."""
        words: list[str] = []
        for kind, offers in self.offers.items():
            names = [offer.name for offer in offers if isinstance(offer, Provider)]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            tools = [offer.name for offer in offers if isinstance(offer, Tool)]
            words.extend(f"{kind} {name}" for name in names)
            if tools:
                words.append(f"{len(tools)} tools" if len(tools) > 1 else f"tool {tools[0]}")
            elif not names:
                words.append(kind)
        return words


def plugin_reports(names: Sequence[str] | None) -> list[PluginReport]:
    """Look at the built-in and all installed plugins.

    Args:
        names: The ``plugins`` of the configuration; None when it names none.
    """
    from devbench_core.builtin import builtin_plugins  # after compose: the two import each other

    reports = [_registered(found) for found in builtin_plugins()]
    points = scan()
    sources, mine = installed(points), enabled(points, names)
    for source in sources:
        if source.fault:
            reports.append(PluginReport(source=source, state=FAILED, error=source.fault))
        elif source.enabled(names):
            reports.append(_installed(source, mine))
        elif not source.is_compatible:
            reports.append(PluginReport(source=source, state=INCOMPATIBLE, error=source.mismatch))
        else:
            line = line_to_write(source.name, names, sources)
            reports.append(PluginReport(source=source, state=DISABLED, enable_with=line))
    return reports


def providers(reports: Sequence[PluginReport], kind: str) -> list[Provider[Any]]:
    """Return the providers of a kind, in the order of the plugins."""
    return [
        offer for report in reports for offer in report.offers.get(kind, ()) if isinstance(offer, Provider)
    ]


def _installed(source: PluginSource, points: EntryPoints) -> PluginReport:
    if not source.is_compatible:
        return PluginReport(source=source, state=FAILED, error=source.mismatch)
    faults: list[str] = []
    found = [each for each in load([source.name], faults, points) if each.source == source]
    if faults or not found:
        return PluginReport(source=source, state=FAILED, error="; ".join(faults) or "it cannot be found")
    return _registered(found[0])


def _registered(found: Found) -> PluginReport:
    registry, faults = Registry(), list[str]()
    registry.register(found, faults)
    if faults:
        return PluginReport(source=found.source, state=FAILED, error="; ".join(faults))
    offers: dict[str, tuple[object, ...]] = {}
    for hook, kind in OFFERING_HOOKS.items():
        try:
            given = tuple(registry.offers(hook, found))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it becomes a line of the report
            return PluginReport(
                source=found.source, state=FAILED, error=f"{hook}() failed: {type(error).__name__}: {error}"
            )
        if given:
            offers[kind] = given
    offers.update({kind: () for hook, kind in OTHER_HOOKS.items() if hasattr(found.plugin, hook)})
    return PluginReport(source=found.source, state=LOADED, offers=offers)
