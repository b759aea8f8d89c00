"""One that calls tools of any host."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from mcp import MCPError
from mcp.types import CallToolResult

from harness.chaos.book import Book, now
from harness.chaos.world import World
from harness.mcp_program import over_http

ERA = "2026-07-28"
CALL_S, PAUSE_S, INSIST_S = 40.0, 0.1, 90.0
UNKNOWN = frozenset({"outcome_unknown"})
"""Errors that are no answer, although the same call is not said to be safe again: ours are."""


class Client:
    """One that goes to any host, and repeats what failed on its way, with the same key, at another.

    Attributes:
        again: How often the last call was repeated.
    """

    def __init__(self, world: World, book: Book) -> None:
        self._world = world
        self._book = book
        self.again = 0

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return a tool's result, or its error where trying again would not help."""
        self.again, called = 0, now()
        async with asyncio.timeout(INSIST_S):
            while (found := await self.once(tool, **arguments)) is None or found.get("ended") is False:
                self.again += 1
                await asyncio.sleep(PAUSE_S)
        self._book.longest = max(self._book.longest, (now() - called, f"{tool}, {self.again} repeats"))
        return found

    async def once(self, tool: str, **arguments: Any) -> dict[str, Any] | None:
        """Return a tool's result, its error where trying again would not help, or None: nobody knows."""
        url = f"http://127.0.0.1:{self._world.somebody()}/mcp"
        result: CallToolResult | None = None
        try:
            async with asyncio.timeout(CALL_S), over_http(url, ERA) as tools:
                result = await tools.client.call_tool(tool, arguments)
        except* (MCPError, httpx2.HTTPError, OSError, TimeoutError) as group:
            self._book.note(f"no answer {tool} {arguments} {group.exceptions!r}")
        if result is None:
            return None
        found: dict[str, Any] = result.structured_content or {}
        if result.is_error and (found["error"]["retry"] or found["error"]["code"] in UNKNOWN):
            self._book.note(f"again {tool} {arguments} {found}")
            return None
        return found
