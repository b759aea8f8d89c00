"""Offers the tool ``git_clone``."""

from __future__ import annotations

from collections.abc import Sequence

from devbench_core.hookspecs import hookimpl
from devbench_core.tool import Tool
from devbench_tool_git_clone.tool import TOOL


class GitClonePlugin:
    """The plugin object, which the entry point names."""

    @hookimpl
    def devbench_tools(self) -> Sequence[Tool]:
        """Offer ``git_clone``."""
        return [TOOL]


plugin = GitClonePlugin()
