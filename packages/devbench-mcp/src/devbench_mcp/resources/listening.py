"""One stream of a client that listens (2026-07-28): what it was agreed to be told, and then that."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from mcp import MCPError, types
from mcp.server import ServerRequestContext
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY


class Word(types.Notification[dict[str, Any], str]):
    """Any notification."""


class Listening:
    """What a stream's client was not told yet: of each thing the newest word, so that one who is slow costs no more."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, about: str, method: str, params: dict[str, Any]) -> None:
        """Tell something, in place of what was to be told about the same thing."""
        self._waiting[about] = (method, params)
        self._changed.set()

    def close(self) -> None:
        """End the stream when all was told; its client is told that too."""
        self._closed = True
        self._changed.set()

    async def serve(
        self, context: ServerRequestContext[Any, Any], honoured: types.SubscriptionFilter
    ) -> types.SubscriptionsListenResult:
        """Say what is followed, then tell of it until the client goes or the stream is closed.

        Raises:
            MCPError: The request has no id, and so no stream.
        """
        if context.request_id is None:
            raise MCPError(types.INVALID_REQUEST, "subscriptions/listen requires a request id")
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        told = honoured.model_dump(by_alias=True, mode="json", exclude_none=True)
        await _send(
            context, "notifications/subscriptions/acknowledged", {"notifications": told, "_meta": meta}
        )
        while self._waiting or not self._closed:
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            about = next(iter(self._waiting))
            method, params = self._waiting.pop(about)
            await _send(context, method, {**params, "_meta": meta})
        return types.SubscriptionsListenResult(_meta=meta)


async def _send(context: ServerRequestContext[Any, Any], method: str, params: dict[str, Any]) -> None:
    word = cast("types.ServerNotification", Word(method=method, params=params))
    await context.session.send_notification(word, related_request_id=context.request_id)
