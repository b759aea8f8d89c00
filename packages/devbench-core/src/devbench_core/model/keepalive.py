"""What a host says of its signs of life."""

from __future__ import annotations

__all__ = ["KEEP_ALIVE_HEADER"]

KEEP_ALIVE_HEADER = "X-Devbench-Keep-Alive"
"""A header of a host's answers to MCP: no stream of it is without a byte for longer than so many seconds."""
