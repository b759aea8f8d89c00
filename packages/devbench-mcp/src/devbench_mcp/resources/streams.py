"""Subscriptions of stateless clients (2026-07-28): one stream a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp import MCPError, types
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, ServerEvent

from devbench_core.errors import DevbenchError, NotFound, ValidationFailed
from devbench_core.model.caller import Caller
from devbench_mcp.resources import addresses
from devbench_mcp.resources.following import Following

STREAMS_MAX = 1024
"""Streams that listen, of all clients together."""


class _Events:
    """The SDK's bus with one listener: the stream that it was made for, so that no event reaches another tenant."""

    def __init__(self) -> None:
        self._listener: Callable[[ServerEvent], None] | None = None
        self._early: dict[str, None] = {}

    async def publish(self, event: ServerEvent) -> None:
        if self._listener is not None:
            self._listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        self._listener = listener
        for uri in self._early:
            listener(ResourceUpdated(uri=uri))

        def stop() -> None:
            self._listener = None

        return stop

    def updated(self, uri: str) -> None:
        if self._listener is None:
            self._early[uri] = None
        else:
            self._listener(ResourceUpdated(uri=uri))


class Streams:
    """Serves ``subscriptions/listen``.

    Args:
        following: Follow resources.
        most: How many resources one stream may name.
    """

    def __init__(self, following: Following, *, most: int) -> None:
        self._following = following
        self._most = most
        self._open: set[ListenHandler] = set()

    async def listen(
        self,
        context: ServerRequestContext[Any, Any],
        params: types.SubscriptionsListenRequestParams,
        caller: Caller,
    ) -> types.SubscriptionsListenResult:
        """Serve one stream until its client goes; resources that the caller does not have are not honoured.

        Raises:
            MCPError: There are too many streams, or this one names too many resources.
        """
        wanted = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        if len(wanted) > self._most:
            raise MCPError(
                types.INVALID_PARAMS,
                f"one stream may name {self._most} resources (mcp.subscriptions_max)",
            )
        if len(self._open) >= STREAMS_MAX:
            raise MCPError(types.INTERNAL_ERROR, f"{STREAMS_MAX} streams are open, which is the limit")
        events, stops = _Events(), list[Callable[[], None]]()
        handler = ListenHandler(events, max_subscriptions=1)
        self._open.add(handler)
        try:
            honoured = [uri for uri in wanted if await self._follow(uri, caller, events, stops)]
            params.notifications.resource_subscriptions = honoured or None
            return await handler(context, params)
        finally:
            self._open.discard(handler)
            for stop in stops:
                stop()

    def close(self) -> None:
        """End all streams; their clients are told."""
        for handler in list(self._open):
            handler.close()

    async def _follow(
        self, uri: str, caller: Caller, events: _Events, stops: list[Callable[[], None]]
    ) -> bool:
        try:
            parsed = addresses.parse(uri)
            stops.append(await self._following.follow(parsed, caller, lambda _ended: events.updated(uri)))
        except (NotFound, ValidationFailed):
            return False
        except DevbenchError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from error
        return True
