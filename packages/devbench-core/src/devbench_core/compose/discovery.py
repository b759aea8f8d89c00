"""Finds plugins by entry point, without the traps of stevedore's cache and of its silent failures."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence

import attrs
from stevedore.named import NamedExtensionManager

from devbench_core.nearest import suggestion

GROUP = "devbench.v1"
"""The entry-point group; its last part is the major version of the plugin API."""

KNOWN_DISTRIBUTIONS = {
    "bubblewrap": "devbench-runtime-bubblewrap",
    "docker": "devbench-runtime-docker",
    "podman": "devbench-runtime-podman",
    "kubernetes": "devbench-runtime-kubernetes",
    "sql": "devbench-store-sql",
    "redis": "devbench-lock-redis",
    "trivy": "devbench-scanner-trivy",
}


@attrs.frozen(kw_only=True)
class PluginSource:
    """Where a plugin came from.

    Attributes:
        name: Its entry point's name, ``built-in`` plugins have their own.
        distribution: The distribution that installed it.
        version: That distribution's version.
        target: ``module:object`` of the entry point.
        editable: Whether it is a development install.
    """

    name: str
    distribution: str
    version: str
    target: str
    editable: bool = False

    def __str__(self) -> str:
        return f"plugin {self.name!r} ({self.distribution} {self.version})"


@attrs.frozen(kw_only=True, eq=False)
class Found:
    """A loaded plugin object and its source."""

    source: PluginSource
    plugin: object


def installed() -> tuple[PluginSource, ...]:
    """Return the sources of all installed plugins, by name; nothing is imported."""
    return tuple(sorted((_source(point) for point in _fresh()), key=lambda source: source.name))


def load(names: Sequence[str] | None, faults: list[str]) -> tuple[Found, ...]:
    """Load plugins by name.

    Args:
        names: Which; None for every installed one.
        faults: Gets one sentence for each name that is missing, ambiguous or fails to import.
    """
    points = _fresh()
    present = [point.name for point in points]
    wanted = list(dict.fromkeys(present if names is None else names))
    faults.extend(_missing(name, present) for name in wanted if name not in present)
    for name in wanted:
        rivals = [str(_source(point)) for point in points if point.name == name]
        if len(rivals) > 1:
            faults.append(f"two plugins claim the name {name!r}: {' and '.join(rivals)}; uninstall one")

    def failed(_manager: object, point: importlib.metadata.EntryPoint, error: BaseException) -> None:
        faults.append(
            f"{_source(point)} cannot be imported: {type(error).__name__}: {error}; "
            f"reinstall or upgrade it, or leave {point.name!r} out of `plugins`"
        )

    manager = _FreshManager(
        GROUP, wanted, on_load_failure_callback=failed, on_missing_entrypoints_callback=None, name_order=False
    )
    return tuple(
        Found(source=_source(extension.entry_point), plugin=extension.plugin)
        for extension in manager.extensions
    )


class _FreshManager(NamedExtensionManager[object]):
    """Reads the metadata anew: stevedore's cache does not see a plugin that was installed a moment ago."""

    def list_entry_points(self) -> list[importlib.metadata.EntryPoint]:
        return _fresh()


def _fresh() -> list[importlib.metadata.EntryPoint]:
    """Return the group's entry points; one distribution seen twice on the path counts once."""
    importlib.invalidate_caches()
    unique: dict[tuple[str, str, str], importlib.metadata.EntryPoint] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        unique.setdefault((point.name, point.value, point.dist.name if point.dist else ""), point)
    return list(unique.values())


def _source(point: importlib.metadata.EntryPoint) -> PluginSource:
    dist = point.dist
    if dist is None:
        return PluginSource(name=point.name, distribution="unknown", version="0", target=point.value)
    direct = dist.read_text("direct_url.json") or ""
    return PluginSource(
        name=point.name,
        distribution=dist.name,
        version=dist.version,
        target=point.value,
        editable='"editable": true' in direct or '"editable":true' in direct,
    )


def _missing(name: str, present: Sequence[str]) -> str:
    hint = suggestion(name, present)
    distribution = KNOWN_DISTRIBUTIONS.get(name)
    if distribution is not None:
        return f"plugin {name!r}: not installed; try: uv add {distribution}"
    return f"plugin {name!r}: not installed; {hint or 'no plugin is installed'}"
