"""Finds plugins by entry point and loads them.

A package that is merely installed never runs: what is devbench's own is loaded unless the configuration leaves it out,
everything else only when the configuration names it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from collections.abc import Sequence

import attrs

from devbench_core.compose.api import GROUP, PREFIX, mismatch, version_of
from devbench_core.compose.metadata import Unreadable, normal, of_groups
from devbench_core.nearest import suggestion
from devbench_core.values import frozen

KNOWN_DISTRIBUTIONS = {
    "bubblewrap": "devbench-runtime-bubblewrap",
    "docker": "devbench-runtime-docker",
    "podman": "devbench-runtime-podman",
    "redis": "devbench-lock-redis",
    "sql": "devbench-store-sql",
}
"""devbench's own plugins, by the name of their entry point; they run unnamed.

Only what is published belongs here: whoever took a name that is still free would be run, too.
"""

EntryPoints = Sequence[importlib.metadata.EntryPoint]


@frozen
class PluginSource:
    """Where a plugin came from.

    Attributes:
        name: Its entry point's name, ``built-in`` plugins have their own.
        distribution: The distribution that installed it.
        version: That distribution's version.
        target: ``module:object`` of the entry point.
        editable: Whether it is a development install.
        fault: Why it cannot be loaded although it is installed; "" when its metadata are sound.
        group: Its entry point's group: the version of the plugin API that it is made for.
    """

    name: str
    distribution: str
    version: str
    target: str
    editable: bool = False
    fault: str = ""
    group: str = GROUP

    @property
    def is_compatible(self) -> bool:
        """Whether it is made for this version of the plugin API; what is not is never loaded."""
        return self.group == GROUP

    @property
    def mismatch(self) -> str:
        """What is wrong with its version of the plugin API, and what to do; "" when it fits."""
        return "" if self.is_compatible else mismatch(self.group, self.distribution)

    @property
    def is_own(self) -> bool:
        """Whether it is one of devbench's own, which need not be named in the configuration."""
        return not self.fault and KNOWN_DISTRIBUTIONS.get(self.name) == normal(self.distribution)

    def enabled(self, names: Sequence[str] | None) -> bool:
        """Whether it is loaded when the configuration's ``plugins`` are these, None for none given."""
        return self.is_own if names is None else self.name in names

    def __str__(self) -> str:
        return f"plugin {self.name!r} ({self.distribution} {self.version})"


Claim = tuple[importlib.metadata.EntryPoint, PluginSource]


@attrs.frozen(kw_only=True, eq=False)
class Found:
    """A loaded plugin object and its source."""

    source: PluginSource
    plugin: object


def scan() -> EntryPoints:
    """Read the entry points of all distributions; nothing is imported.

    Those for other versions of the plugin API are among them, so that they can be named, unless the same distribution
    offers the same plugin for this version too.
    """
    importlib.invalidate_caches()
    found = [
        (point, normal(dist.name))
        for dist in of_groups(PREFIX)
        for point in dist.entry_points
        if version_of(point.group) is not None
    ]
    served = {(point.name, distribution) for point, distribution in found if point.group == GROUP}
    return tuple(
        point
        for point, distribution in found
        if point.group == GROUP or (point.name, distribution) not in served
    )


def installed(points: EntryPoints | None = None) -> tuple[PluginSource, ...]:
    """Return the sources of all installed plugins, by name, those of a name that can be loaded last.

    Nothing is imported.

    Args:
        points: What `scan` gave, so that it need not be done again.
    """
    found = scan() if points is None else points
    return tuple(
        sorted(
            (_source(point) for point in found),
            key=lambda source: (source.name, source.is_compatible, not source.fault),
        )
    )


def enabled(points: EntryPoints, names: Sequence[str] | None) -> EntryPoints:
    """Return those of the entry points that may be loaded when the configuration's ``plugins`` are these."""
    return tuple(point for point in points if _source(point).enabled(names))


def load(
    names: Sequence[str] | None, faults: list[str], points: EntryPoints | None = None
) -> tuple[Found, ...]:
    """Load plugins by name.

    Args:
        names: Which; None for devbench's own.
        faults: Gets one sentence for each name that is missing, ambiguous, broken or fails to import.
        points: What `scan` gave, so that it need not be done again.
    """
    everything = scan() if points is None else points
    present = [point.name for point in everything]
    mine = [(point, _source(point)) for point in enabled(everything, names)]
    wanted = list(dict.fromkeys([source.name for _, source in mine] if names is None else names))
    faults.extend(_missing(name, present) for name in wanted if name not in present)
    alone = [
        pair for name in wanted for pair in _only([pair for pair in mine if pair[1].name == name], faults)
    ]

    loaded = [_loaded(point, source, faults) for point, source in alone]
    return tuple(found for found in loaded if found is not None)


def _loaded(point: importlib.metadata.EntryPoint, source: PluginSource, faults: list[str]) -> Found | None:
    try:
        return Found(source=source, plugin=point.load())
    except Exception as error:  # noqa: BLE001 - whatever a module of somebody else raises
        faults.append(
            f"{source} cannot be imported: {type(error).__name__}: {error}; "
            f"reinstall or upgrade it, or leave {source.name!r} out of `plugins`"
        )
        return None


def _only(claims: Sequence[Claim], faults: list[str]) -> Sequence[Claim]:
    """Return the one of those that claim a name that can be loaded, nothing when there is none or are several."""
    fitting = [claim for claim in claims if claim[1].is_compatible]
    sound = [claim for claim in fitting if not claim[1].fault]
    if len(sound) == 1:
        return sound
    if sound:
        rivals = " and ".join(str(source) for _, source in sound)
        faults.append(f"two plugins claim the name {sound[0][1].name!r}: {rivals}; uninstall one")
    elif claims:
        source = (fitting or claims)[0][1]
        leave = f"or leave {source.name!r} out of `plugins`"
        broken = f": {source.fault}; reinstall it,"
        faults.append(f"{source}{broken if source.is_compatible else f' {source.mismatch},'} {leave}")
    return []


def line_to_write(name: str, names: Sequence[str] | None, sources: Sequence[PluginSource]) -> str:
    """Return the line of the configuration that enables one more plugin."""
    present = [source.name for source in sources if source.enabled(names)] if names is None else names
    return f"plugins = {json.dumps([*present, name])}"


def _source(point: importlib.metadata.EntryPoint) -> PluginSource:
    dist = point.dist
    if dist is None:
        return PluginSource(name=point.name, distribution="unknown", version="0", target=point.value)
    return PluginSource(
        name=point.name,
        group=point.group,
        distribution=dist.name,
        version=dist.version,
        target=point.value,
        editable=_editable(dist.read_text("direct_url.json")),
        fault=dist.fault if isinstance(dist, Unreadable) else "",
    )


def _editable(direct_url: str | None) -> bool:
    """Read what an installer recorded (the "Direct URL Data Structure" specification)."""
    try:
        found = json.loads(direct_url or "{}")
        return found.get("dir_info", {}).get("editable") is True
    except (ValueError, AttributeError):
        return False  # written by no installer; it says nothing


def _missing(name: str, present: Sequence[str]) -> str:
    hint = suggestion(name, present)
    distribution = KNOWN_DISTRIBUTIONS.get(name)
    if distribution is not None:
        return f"plugin {name!r}: not installed; try: uv add {distribution}"
    return f"plugin {name!r}: not installed; {hint or 'no plugin is installed'}"
