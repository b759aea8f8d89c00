"""Subscriptions of clients that open a session (up to 2025-11-25), one mailbox a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mcp import MCPError, types

from devbench_mcp.resources.watches import Ring

KEY = "devbench.mailbox"
"""Under which a session's state holds it."""
Send = Callable[[str], Awaitable[None]]
Follow = Callable[[Ring], Awaitable[Callable[[], None]]]
"""Begins to ring when a resource changes, and returns how to stop that."""


class Mailbox:
    """What a session subscribed to, and what it was not told yet.

    An update only says that a resource is to be read again, so that of several for one resource one is enough:
    a client that reads slowly delays nobody, and costs a word for each of its subscriptions.

    Args:
        tasks: Owns the task that sends.
        send: Tells the client.
        most: How many subscriptions it may have.
    """

    def __init__(self, tasks: asyncio.TaskGroup, send: Send, *, most: int) -> None:
        self._tasks = tasks
        self._send = send
        self._most = most
        self._stops: dict[str, Callable[[], None]] = {}
        self._waiting: dict[str, None] = {}
        self._sender: asyncio.Task[None] | None = None
        self._closed = False

    async def subscribe(self, uri: str, follow: Follow) -> None:
        """Tell the client when a resource changes. Repeating it changes nothing.

        Raises:
            MCPError: It has too many subscriptions.
            DevbenchError: What ``follow`` raises.
        """
        if uri in self._stops:
            return
        if len(self._stops) >= self._most:
            raise MCPError(
                types.INVALID_REQUEST,
                f"a client may have {self._most} subscriptions (mcp.subscriptions_max): end some first",
            )
        self._stops[uri] = _nothing  # taken while we wait
        try:
            stop = await follow(lambda ended: self._put(uri, ended=ended))
        except BaseException:
            self._stops.pop(uri, None)
            raise
        if uri in self._stops and not self._closed:
            self._stops[uri] = stop
        else:
            stop()  # unsubscribed, closed or ended meanwhile

    def unsubscribe(self, uri: str) -> None:
        """Tell of a resource no longer; one that was not subscribed to is fine."""
        self._waiting.pop(uri, None)
        self._stops.pop(uri, _nothing)()

    def close(self) -> None:
        """The session is over."""
        self._closed = True
        for uri in list(self._stops):
            self.unsubscribe(uri)
        if self._sender is not None:
            self._sender.cancel()

    def _put(self, uri: str, *, ended: bool) -> None:
        if self._closed:
            return
        if ended:
            self._stops.pop(uri, _nothing)()
        self._waiting[uri] = None
        if self._sender is None:
            self._sender = self._tasks.create_task(self._deliver(), name="updates of a session")

    async def _deliver(self) -> None:
        try:
            while self._waiting:
                uri = next(iter(self._waiting))
                del self._waiting[uri]
                await self._send(uri)
        finally:
            self._sender = None


def _nothing() -> None:
    return None
