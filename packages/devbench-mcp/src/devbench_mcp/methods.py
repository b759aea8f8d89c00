"""What an opened core is served with: its tools, their outputs as resources, and tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.server import Server

from devbench_core.clock import SystemClock
from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.tools.call import ToolResult, call_tool
from devbench_mcp.catalogue import listed
from devbench_mcp.context import Context, caller_of
from devbench_mcp.links.grants import Signer
from devbench_mcp.links.making import Links
from devbench_mcp.resources.filewatches import FileWatches
from devbench_mcp.resources.following import Following
from devbench_mcp.resources.handlers import Resources
from devbench_mcp.resources.streams import Streams
from devbench_mcp.resources.watches import Watches
from devbench_mcp.results import failure, success
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks.handlers import TaskHandlers
from devbench_mcp.tasks.shapes import TaskParams, UpdateTaskParams

if TYPE_CHECKING:
    from devbench_core.bench import Bench


class Methods:
    """Answers all methods but the greeting from a bench.

    Args:
        bench: The opened core.
        local: Who a client is that gave no token.
        settings: The table ``[mcp]``.
        signer: Signs links; None where nobody serves them.

    Attributes:
        resources: Outputs and files.
        schemas: Of the tools' inputs, by name; empty until the list was prepared.
        tasks: Calls that are answered with a task.
    """

    def __init__(self, bench: Bench, local: Caller, settings: McpSettings, signer: Signer | None) -> None:
        self.resources = Resources(bench, local, subscriptions_max=settings.subscriptions_max)
        self.schemas: dict[str, dict[str, Any]] = {}
        self.tasks = TaskHandlers(bench, local, settings)
        self._bench = bench
        self._local = local
        self._settings = settings
        self._signer = signer
        self._listed: types.ListToolsResult | None = None
        self._listing = asyncio.Lock()

    def register(self, server: Server[Any]) -> None:
        """Serve the methods of the tasks extension."""
        server.add_request_handler("tasks/get", TaskParams, self.tasks.get)
        server.add_request_handler("tasks/update", UpdateTaskParams, self.tasks.update)
        server.add_request_handler("tasks/cancel", TaskParams, self.tasks.cancel)

    async def prepare(self) -> types.ListToolsResult:
        """Make the list of tools, once; a client that asks for it meanwhile waits."""
        async with self._listing:
            if self._listed is None:
                tools = await asyncio.to_thread(listed, self._bench.tools.values())
                self.schemas.update({tool.name: tool.input_schema for tool in tools})
                self._listed = types.ListToolsResult(tools=tools)
            return self._listed

    async def list(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """List the tools."""
        return await self.prepare()

    async def call(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | dict[str, Any]:
        """Call a tool."""
        caller = caller_of(context, self._local)
        asked = bool(context.meta) and "progress_token" in (context.meta or {})
        progress = context.session.report_progress if asked else None
        try:
            answer = await self.tasks.answer(context, params.name, params.arguments, caller, progress)
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

    def follow(self, tasks: asyncio.TaskGroup) -> tuple[Following, Streams]:
        """Make what follows resources as long as one server runs."""
        every_s, most = self._settings.update_every_s, self._settings.subscriptions_max
        following = Following(
            bench=self._bench,
            outputs=Watches(self._bench, tasks, every_s=every_s),
            files=FileWatches(self._bench, tasks, every_s=every_s),
        )
        return following, Streams(following, self.tasks.tasks, tasks, every_s=every_s, most=most)

    def _links(self, context: Context) -> Links | None:
        if self._signer is None or context.request is None:
            return None
        return Links(
            signer=self._signer,
            clock=SystemClock(),
            base=self._settings.public_url or str(context.request.base_url).rstrip("/"),
            ttl_s=self._settings.link_ttl_s,
        )
