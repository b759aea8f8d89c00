"""Offers the built-in tools as a plugin like any other."""

from __future__ import annotations

from collections.abc import Sequence

from devbench_core.hookspecs import hookimpl
from devbench_core.tool import Tool
from devbench_core.tools.catalogue import TOOLS


class ToolsPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_tools(self) -> Sequence[Tool]:
        """Offer the tools for containers, commands, files, images and the host."""
        return TOOLS


plugin = ToolsPlugin()
