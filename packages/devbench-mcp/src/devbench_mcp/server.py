"""The MCP server on an opened core: every tool that core and plugins offer."""

from __future__ import annotations

import asyncio
import secrets
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import attrs
from mcp import types
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.tools.call import call_tool
from devbench_mcp.catalogue import listed
from devbench_mcp.guard import CALLER
from devbench_mcp.instructions import INSTRUCTIONS
from devbench_mcp.results import failure, success

if TYPE_CHECKING:
    from devbench_core.bench import Bench

NAME = "devbench"
TOOLS_TTL_MS = 60_000
"""Tools change only with a restart; a client that remembers them looks again after this time."""
SUBSCRIPTIONS_MAX = 1024
CLIENT_NAME_MAX = 100
Context = ServerRequestContext[Any, Any]


class ToolServer:
    """Answers ``tools/list`` and ``tools/call`` from a bench; made by `prepare`."""

    def __init__(self, bench: Bench, local: Caller, tools: list[types.Tool]) -> None:
        self._bench = bench
        self._local = local
        self._listed = types.ListToolsResult(tools=tools)
        self._schemas = {tool.name: tool.input_schema for tool in tools}
        self.subscriptions = ListenHandler(InMemorySubscriptionBus(), max_subscriptions=SUBSCRIPTIONS_MAX)

    @classmethod
    async def prepare(cls, bench: Bench, local: Caller) -> ToolServer:
        """Return a server for a bench's tools.

        Args:
            bench: The opened core.
            local: Who a client is that gave no token.
        """
        return cls(bench, local, await asyncio.to_thread(listed, bench.tools.values()))

    def build(self) -> Server[dict[str, Any]]:
        """Return the SDK's server; it serves both eras of the protocol on every transport."""
        return Server(
            NAME,
            version=version("devbench-mcp"),
            title="devbench",
            description="Isolated containers for agents: run commands, read and write files.",
            instructions=INSTRUCTIONS,
            cache_hints={"tools/list": CacheHint(ttl_ms=TOOLS_TTL_MS, scope="public")},
            get_tool_input_schema=self._schemas.get,
            on_list_tools=self._list,
            on_call_tool=self._call,
            on_subscriptions_listen=self.subscriptions,
        )

    async def _list(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return self._listed

    async def _call(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            result = await call_tool(
                self._bench,
                params.name,
                params.arguments,
                caller=self._caller(context),
                progress=context.session.report_progress,
            )
        except DevbenchError as error:
            return failure(error)
        return success(result, context.protocol_version)

    def _caller(self, context: Context) -> Caller:
        caller = self._local
        if context.request is not None:
            caller = context.request.scope.get(CALLER, caller)
        client = context.session.client_params
        return attrs.evolve(
            caller,
            client=client.client_info.name[:CLIENT_NAME_MAX] if client else "",
            correlation_id=secrets.token_hex(8),
        )
