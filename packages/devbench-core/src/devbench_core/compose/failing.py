"""Which error tells that the program cannot be put together."""

from __future__ import annotations

from collections.abc import Sequence

from devbench_core.compose.api import GROUP
from devbench_core.compose.discovery import PluginSource
from devbench_core.config.settings import Settings
from devbench_core.errors import CompositionFailed, PluginIncompatible


def failure(faults: Sequence[str], settings: Settings, sources: Sequence[PluginSource]) -> CompositionFailed:
    """Return the error for all faults; it has a code of its own when a plugin is for another version of the API."""
    chosen = {settings.runtime, settings.store, settings.lock, *settings.scanners}
    fitting = {source.name for source in sources if source.is_compatible}
    strange = [
        source
        for source in sources
        if source.name not in fitting and (source.name in chosen or source.enabled(settings.plugins))
    ]
    if not strange:
        return CompositionFailed(faults)
    told = [
        {
            "name": source.name,
            "distribution": source.distribution,
            "version": source.version,
            "group": source.group,
        }
        for source in strange
    ]
    return PluginIncompatible(faults, told, group=GROUP)
