"""Composition: find the named plugins, register them, gather what they offer, and report all faults at once."""

from devbench_core.compose.api import API_VERSION, GROUP
from devbench_core.compose.composition import Composition, compose
from devbench_core.compose.discovery import PluginSource

__all__ = ["API_VERSION", "GROUP", "Composition", "PluginSource", "compose"]
