"""The MCP server on an opened core: every tool that core and plugins offer, their outputs as resources, and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
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
from devbench_mcp.tasks.shapes import EXTENSION, TaskParams, UpdateTaskParams, declared

if TYPE_CHECKING:
    from devbench_core.bench import Bench

Part = TypeVar("Part")
Params = TypeVar("Params")
Answer = TypeVar("Answer")
NAME = "devbench"
TOOLS_TTL_MS = 60_000
"""Tools change only with a restart; a client that remembers them looks again after this time."""


@attrs.frozen(kw_only=True, eq=False)
class _Opened:
    """What an open bench is served with."""

    bench: Bench
    resources: Resources
    tasks: TaskHandlers


def _resources(opened: _Opened) -> Resources:
    return opened.resources


def _tasks(opened: _Opened) -> TaskHandlers:
    return opened.tasks


class ToolServer:
    """Answers all methods from a bench.

    A client's first answer, which only says who we are, need not wait for a bench: see `use`. Nor for the list of
    tools, which builds every tool's model: see `prepare`.
    """

    def __init__(
        self,
        bench: Bench | None,
        local: Caller,
        settings: McpSettings | None = None,
        *,
        signer: Signer | None = None,
    ) -> None:
        """Make a server for a bench's tools.

        Args:
            bench: The opened core; None where `use` tells it later, before any request but the greeting comes.
            local: Who a client is that gave no token.
            settings: The table ``[mcp]``; the defaults when None.
            signer: Signs links; None where nobody serves them.
        """
        self._local = local
        self._settings = settings or McpSettings()
        self._signer = signer
        self._listed: types.ListToolsResult | None = None
        self._listing = asyncio.Lock()
        self._schemas: dict[str, dict[str, Any]] = {}
        self._open: _Opened | None = None
        self._usable = asyncio.Event()
        self._running: set[Live] = set()
        if bench is not None:
            self.use(bench)

    def use(self, bench: Bench) -> None:
        """Serve this bench from now on."""
        self._open = _Opened(
            bench=bench,
            resources=Resources(bench, self._local, subscriptions_max=self._settings.subscriptions_max),
            tasks=TaskHandlers(bench, self._local, self._settings),
        )
        self._usable.set()

    @property
    def _opened(self) -> _Opened:
        if self._open is None:
            raise RuntimeError("a request came before there was a bench")
        return self._open

    async def prepare(self) -> types.ListToolsResult:
        """Make the list of tools, once; a client that asks for it meanwhile waits."""
        async with self._listing:
            if self._listed is None:
                tools = await asyncio.to_thread(listed, self._opened.bench.tools.values())
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
            on_list_resources=self._late(_resources, Resources.list),
            on_list_resource_templates=self._late(_resources, Resources.templates),
            on_read_resource=self._late(_resources, Resources.read),
            on_subscribe_resource=self._late(_resources, Resources.subscribe),
            on_unsubscribe_resource=self._late(_resources, Resources.unsubscribe),
            on_subscriptions_listen=self._late(_resources, Resources.listen),
            on_completion=self._late(_resources, Resources.complete),
        )
        server.add_request_handler("tools/call", types.CallToolRequestParams, self._call)
        server.add_request_handler("server/discover", types.RequestParams, self._discover(server))
        server.add_request_handler("tasks/get", TaskParams, self._late(_tasks, TaskHandlers.get))
        server.add_request_handler("tasks/update", UpdateTaskParams, self._late(_tasks, TaskHandlers.update))
        server.add_request_handler("tasks/cancel", TaskParams, self._late(_tasks, TaskHandlers.cancel))
        return server

    def _late(
        self,
        part: Callable[[_Opened], Part],
        method: Callable[[Part, Context, Params], Awaitable[Answer]],
    ) -> Callable[[Context, Params], Awaitable[Answer]]:
        """Return a handler that asks for its part only when it is called."""

        async def handle(context: Context, params: Params) -> Answer:
            return await method(part(self._opened), context, params)

        return handle

    def close_streams(self) -> None:
        """End all streams that listen; their clients are told."""
        for live in list(self._running):
            live.close_streams()

    @property
    def watched(self) -> int:
        """How many commands, and containers for their files, are followed now for those who subscribed."""
        return sum(live.watched for live in self._running)

    @asynccontextmanager
    async def _lifespan(self, _server: Server[Live]) -> AsyncGenerator[Live]:
        async with background() as tasks:
            live = Live(tasks, lambda: self._follow(tasks))
            sweeping = tasks.create_task(self._sweep(), name="sweep of tasks")
            self._running.add(live)
            try:
                yield live
            finally:
                self._running.discard(live)
                sweeping.cancel()
                live.close()
                if self._open is not None:
                    self._open.tasks.tasks.host_work.close(tasks)

    def _follow(self, tasks: asyncio.TaskGroup) -> tuple[Following, Streams]:
        opened, every_s = self._opened, self._settings.update_every_s
        following = Following(
            bench=opened.bench,
            outputs=Watches(opened.bench, tasks, every_s=every_s),
            files=FileWatches(opened.bench, tasks, every_s=every_s),
        )
        most = self._settings.subscriptions_max
        return following, Streams(following, opened.tasks.tasks, tasks, every_s=every_s, most=most)

    async def _sweep(self) -> None:
        await self._usable.wait()
        await self._opened.tasks.tasks.sweep_for_ever()

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
            answer = await self._opened.tasks.answer(context, params.name, params.arguments, caller, progress)
            if answer is None:
                answer = await call_tool(
                    self._opened.bench,
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
