"""The built-in tools, and the one way to call any tool: `devbench_core.tools.call.call_tool`."""

from __future__ import annotations

from devbench_core.tools.plugin import plugin

__all__ = ["plugin"]
