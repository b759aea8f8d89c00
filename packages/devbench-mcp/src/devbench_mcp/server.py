"""The MCP server: who we are, and what lives as long as it runs; all else is asked of an opened core's `Methods`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from mcp import types
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from devbench_core.model.caller import Caller
from devbench_core.tasks import background
from devbench_mcp.instructions import INSTRUCTIONS
from devbench_mcp.live import Live
from devbench_mcp.settings import McpSettings

if TYPE_CHECKING:
    from devbench_core.bench import Bench
    from devbench_mcp.links.grants import Signer
    from devbench_mcp.methods import Methods

Context = ServerRequestContext[Live, Any]
Params = TypeVar("Params")
Answer = TypeVar("Answer")
Handler = Callable[[Context, Params], Awaitable[Answer]]
NAME = "devbench"
TOOLS_TTL_MS = 60_000
"""Tools change only with a restart; a client that remembers them looks again after this time."""


class ToolServer:
    """Answers all methods from a bench.

    A client's first answer, which only says who we are, need not wait for a bench, nor for the import of what serves
    one: see `use`. Nor for the list of tools, which builds every tool's model: see `prepare`.
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
        self._server: Server[Live] | None = None
        self._served: Methods | None = None
        self._usable = asyncio.Event()
        self._running: set[Live] = set()
        if bench is not None:
            self.use(bench)

    def use(self, bench: Bench) -> None:
        """Serve this bench from now on."""
        from devbench_mcp.methods import Methods

        self._served = Methods(bench, self._local, self._settings, self._signer)
        if self._server is not None:
            self._served.register(self._server)
        self._usable.set()

    @property
    def _methods(self) -> Methods:
        if self._served is None:
            raise RuntimeError("a request came before there was a bench")
        return self._served

    async def prepare(self) -> None:
        """Make the list of tools, once; a client that asks for it meanwhile waits."""
        await self._methods.prepare()

    def build(self) -> Server[Live]:
        """Return the SDK's server, the only one of this; it serves both eras of the protocol on every transport."""
        server = self._server = Server(
            NAME,
            version=version("devbench-mcp"),
            title="devbench",
            description="Isolated containers for agents: run commands, read and write files.",
            instructions=INSTRUCTIONS,
            cache_hints={"tools/list": CacheHint(ttl_ms=TOOLS_TTL_MS, scope="public")},
            get_tool_input_schema=self._schema,
            lifespan=self._lifespan,
            on_list_tools=_late(lambda: self._methods.list),
            on_list_resources=_late(lambda: self._methods.resources.list),
            on_list_resource_templates=_late(lambda: self._methods.resources.templates),
            on_read_resource=_late(lambda: self._methods.resources.read),
            on_subscribe_resource=_late(lambda: self._methods.resources.subscribe),
            on_unsubscribe_resource=_late(lambda: self._methods.resources.unsubscribe),
            on_subscriptions_listen=_late(lambda: self._methods.resources.listen),
            on_completion=_late(lambda: self._methods.resources.complete),
        )
        call = _late(lambda: self._methods.call)
        server.add_request_handler("tools/call", types.CallToolRequestParams, call)
        server.add_request_handler("server/discover", types.RequestParams, self._discover(server))
        if self._served is not None:
            self._served.register(server)
        return server

    def _schema(self, tool: str) -> dict[str, Any] | None:
        return self._methods.schemas.get(tool)

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
            live = Live(tasks, lambda: self._methods.follow(tasks))
            sweeping = tasks.create_task(self._sweep(), name="sweep of tasks")
            self._running.add(live)
            try:
                yield live
            finally:
                self._running.discard(live)
                sweeping.cancel()
                live.close()
                if self._served is not None:
                    self._served.tasks.tasks.host_work.close(tasks)

    async def _sweep(self) -> None:
        await self._usable.wait()
        await self._methods.tasks.tasks.sweep_for_ever()

    def _discover(self, server: Server[Live]) -> Handler[types.RequestParams, types.DiscoverResult]:
        """Return the handler of ``server/discover``: the extension is told to those who declare it too."""

        async def discover(context: Context, _params: types.RequestParams) -> types.DiscoverResult:
            from devbench_mcp.tasks.shapes import EXTENSION, declared

            extensions: dict[str, dict[str, Any]] | None = {EXTENSION: {}} if declared(context) else None
            return types.DiscoverResult(
                supported_versions=list(MODERN_PROTOCOL_VERSIONS),
                capabilities=server.get_capabilities(
                    extensions=extensions, protocol_version=context.protocol_version
                ),
                instructions=INSTRUCTIONS,
            )

        return discover


def _late(handler: Callable[[], Handler[Params, Answer]]) -> Handler[Params, Answer]:
    """Return a handler that is looked up when it is called."""

    async def handle(context: Context, params: Params) -> Answer:
        return await handler()(context, params)

    return handle
