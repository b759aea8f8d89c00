"""The MCP and HTTP host of devbench: ``devbench-mcp``, or `serve_http` and `serve_stdio` in a program."""

from __future__ import annotations

from devbench_mcp.settings import McpSettings, mcp_settings

__all__ = ["McpSettings", "mcp_settings"]
