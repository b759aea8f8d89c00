"""The MCP server on an opened core: every tool that core and plugins offer, their outputs as resources, and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.server import CacheHint, Server
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from devbench_core.clock import SystemClock
from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.tasks import background
from devbench_core.tools.call import ToolResult, call_tool
from devbench_mcp.catalogue import listed
from devbench_mcp.context import Context, caller_of
from devbench_mcp.instructions import INSTRUCTIONS
from devbench_mcp.links.grants import Signer
from devbench_mcp.links.making import Links
from devbench_mcp.live import Live
from devbench_mcp.resources.filewatches import FileWatches
from devbench_mcp.resources.following import Following
from devbench_mcp.resources.handlers import Resources
from devbench_mcp.resources.streams import Streams
from devbench_mcp.resources.watches import Watches
from devbench_mcp.results import failure, success
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks.handlers import TaskHandlers
from devbench_mcp.tasks.shapes import EXTENSION, declared

if TYPE_CHECKING:
    from devbench_core.bench import Bench

NAME = "devbench"
TOOLS_TTL_MS = 60_000
"""Tools change only with a restart; a client that remembers them looks again after this time."""


class ToolServer:
    """Answers all methods from a bench.

    The list of tools builds every tool's model, for which a client's first answer need not wait: see `prepare`.
    """

    def __init__(
        self,
        bench: Bench,
        local: Caller,
        settings: McpSettings | None = None,
        *,
        signer: Signer | None = None,
    ) -> None:
        """Make a server for a bench's tools.

        Args:
            bench: The opened core.
            local: Who a client is that gave no token.
            settings: The table ``[mcp]``; the defaults when None.
            signer: Signs links; None where nobody serves them.
        """
        settings = settings or McpSettings()
        self._bench = bench
        self._local = local
        self._settings = settings
        self._signer = signer
        self._listed: types.ListToolsResult | None = None
        self._listing = asyncio.Lock()
        self._schemas: dict[str, dict[str, Any]] = {}
        self._resources = Resources(bench, local, subscriptions_max=settings.subscriptions_max)
        self._tasks = TaskHandlers(bench, local, settings)
        self._running: set[Live] = set()

    async def prepare(self) -> types.ListToolsResult:
        """Make the list of tools, once; a client that asks for it meanwhile waits."""
        async with self._listing:
            if self._listed is None:
                tools = await asyncio.to_thread(listed, self._bench.tools.values())
                self._schemas.update({tool.name: tool.input_schema for tool in tools})
                self._listed = types.ListToolsResult(tools=tools)
            return self._listed

    def build(self) -> Server[Live]:
        """Return the SDK's server; it serves both eras of the protocol on every transport."""
        server = Server(
            NAME,
            version=version("devbench-mcp"),
            title="devbench",
            description="Isolated containers for agents: run commands, read and write files.",
            instructions=INSTRUCTIONS,
            cache_hints={"tools/list": CacheHint(ttl_ms=TOOLS_TTL_MS, scope="public")},
            get_tool_input_schema=self._schemas.get,
            lifespan=self._lifespan,
            on_list_tools=self._list,
            on_list_resources=self._resources.list,
            on_list_resource_templates=self._resources.templates,
            on_read_resource=self._resources.read,
            on_subscribe_resource=self._resources.subscribe,
            on_unsubscribe_resource=self._resources.unsubscribe,
            on_subscriptions_listen=self._resources.listen,
            on_completion=self._resources.complete,
        )
        server.add_request_handler("tools/call", types.CallToolRequestParams, self._call)
        server.add_request_handler("server/discover", types.RequestParams, self._discover(server))
        self._tasks.register(server)
        return server

    def close_streams(self) -> None:
        """End all streams that listen; their clients are told."""
        for live in list(self._running):
            live.streams.close()

    @property
    def watched(self) -> int:
        """How many commands, and containers for their files, are followed now for those who subscribed."""
        found = [live.following for live in self._running]
        return sum(following.outputs.count + following.files.count for following in found)

    @asynccontextmanager
    async def _lifespan(self, _server: Server[Live]) -> AsyncGenerator[Live]:
        settings = self._settings
        async with background() as tasks:
            following = Following(
                bench=self._bench,
                outputs=Watches(self._bench, tasks, every_s=settings.update_every_s),
                files=FileWatches(self._bench, tasks, every_s=settings.update_every_s),
            )
            streams = Streams(
                following,
                self._tasks.tasks,
                tasks,
                every_s=settings.update_every_s,
                most=settings.subscriptions_max,
            )
            live = Live(tasks=tasks, following=following, streams=streams)
            sweeping = tasks.create_task(self._tasks.tasks.sweep_for_ever(), name="sweep of tasks")
            self._running.add(live)
            try:
                yield live
            finally:
                self._running.discard(live)
                sweeping.cancel()
                following.close()
                self._tasks.tasks.host_work.close(tasks)

    async def _list(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return await self.prepare()

    async def _call(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | dict[str, Any]:
        caller = caller_of(context, self._local)
        asked = bool(context.meta) and "progress_token" in (context.meta or {})
        progress = context.session.report_progress if asked else None
        try:
            answer = await self._tasks.answer(context, params.name, params.arguments, caller, progress)
            if answer is None:
                answer = await call_tool(
                    self._bench,
                    params.name,
                    params.arguments,
                    caller=caller,
                    progress=progress,
                    links=self._links(context),
                )
        except DevbenchError as error:
            return failure(error)
        return success(answer, context.protocol_version) if isinstance(answer, ToolResult) else answer

    def _links(self, context: Context) -> Links | None:
        if self._signer is None or context.request is None:
            return None
        return Links(
            signer=self._signer,
            clock=SystemClock(),
            base=self._settings.public_url or str(context.request.base_url).rstrip("/"),
            ttl_s=self._settings.link_ttl_s,
        )

    def _discover(self, server: Server[Live]) -> Any:
        """Return the handler of ``server/discover``: the extension is told to those who declare it too."""

        async def discover(context: Context, _params: types.RequestParams) -> types.DiscoverResult:
            extensions: dict[str, dict[str, Any]] | None = {EXTENSION: {}} if declared(context) else None
            return types.DiscoverResult(
                supported_versions=list(MODERN_PROTOCOL_VERSIONS),
                capabilities=server.get_capabilities(
                    extensions=extensions, protocol_version=context.protocol_version
                ),
                instructions=INSTRUCTIONS,
            )

        return discover
