"""Composition: find the named plugins, register them, gather what they offer, and report all faults at once."""

from devbench_core.compose.composition import Composition, compose
from devbench_core.compose.discovery import GROUP, PluginSource

__all__ = ["GROUP", "Composition", "PluginSource", "compose"]
