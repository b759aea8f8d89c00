"""The HTTP host: ``/mcp`` and ``/files/…`` (links) with ``/healthz``, ``/readyz`` and ``/metrics`` beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from devbench_core import metrics
from devbench_mcp.callers import Callers
from devbench_mcp.guard import Closing, Guard
from devbench_mcp.keepalive import KeepAlive
from devbench_mcp.links.grants import Signer
from devbench_mcp.links.making import PREFIX
from devbench_mcp.links.routes import LinkRoutes
from devbench_mcp.origins import Origins
from devbench_mcp.readiness import OK, Readiness
from devbench_mcp.server import ToolServer
from devbench_mcp.settings import McpSettings

if TYPE_CHECKING:
    from devbench_core.bench import Bench

PATH = "/mcp"
OURS_IS_STRICTER = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""`Guard` has checked Host and Origin before the SDK sees a request, on every address."""


class HttpHost:
    """The application, and the way to stop it; made by `prepare`."""

    def __init__(
        self,
        bench: Bench,
        settings: McpSettings,
        callers: Callers,
        tools: ToolServer,
        signer: Signer,
        *,
        port: int,
    ) -> None:
        self._tools = tools
        self._links = LinkRoutes(bench, idle_s=settings.link_idle_s)
        self._readiness = Readiness(bench, settings.probe_timeout_s)
        self._sessions = StreamableHTTPSessionManager(
            self._tools.build(),
            security_settings=OURS_IS_STRICTER,
            max_request_body_size=settings.max_body_bytes,
            session_idle_timeout=settings.session_idle_s,
            max_sessions=settings.max_sessions,
        )
        self._mcp = KeepAlive(StreamableHTTPASGIApp(self._sessions), every_s=settings.keep_alive_s)
        self.closing = Closing(drain_s=settings.grace_s / 3)
        self.app: ASGIApp = Guard(
            self._routes(),
            callers=callers,
            origins=Origins(settings, port),
            closing=self.closing,
            signer=signer,
        )

    @classmethod
    async def prepare(cls, bench: Bench, settings: McpSettings, *, port: int) -> HttpHost:
        """Return the host of a bench.

        Args:
            bench: The opened core; stays the caller's to close.
            settings: The table ``[mcp]``.
            port: The port that clients connect to.

        Raises:
            ConfigurationInvalid: A token is missing or wrong.
        """
        callers = await asyncio.to_thread(Callers.of, settings)
        key = None if settings.link_key is None else settings.link_key.get_secret_value().encode()
        signer = Signer(key)
        tools = ToolServer(bench, callers.local.caller, settings, signer=signer)
        await tools.prepare()
        return cls(bench, settings, callers, tools, signer, port=port)

    def stop(self) -> None:
        """Begin to stop: subscriptions and listening streams end now, running calls after a third of the grace."""
        self.closing.ask()
        self._tools.close_streams()

    def _routes(self) -> Starlette:
        return Starlette(
            routes=[
                Route(PATH, endpoint=self._mcp),
                Route(f"{PREFIX}{{word:path}}", endpoint=self._links.serve, methods=["GET", "HEAD", "PUT"]),
                Route("/healthz", endpoint=self._alive),
                Route("/readyz", endpoint=self._ready),
                Route("/metrics", endpoint=self._metrics),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        async with self._sessions.run():
            yield

    async def _alive(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _ready(self, _request: Request) -> Response:
        answers = await self._readiness.check()
        ready = not self.closing.asked and all(answer == OK for answer in answers.values())
        body = {"ready": ready, "stopping": self.closing.asked, **answers}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def _metrics(self, _request: Request) -> Response:
        return Response(generate_latest(metrics.registry()), media_type=CONTENT_TYPE_LATEST)
