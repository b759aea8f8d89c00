"""An answer that takes long says meanwhile that the host is there: a client can tell silence from work."""

from __future__ import annotations

import anyio
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devbench_core.model.keepalive import KEEP_ALIVE_HEADER

VERSION_HEADER = "mcp-protocol-version"
EVENTS = "text/event-stream"
COMMENT = b": keep-alive\r\n\r\n"
"""Every reader of events skips it."""


class KeepAlive:
    """Sends a comment into each stream of events in which nothing came for a while, and says so in a header.

    The SDK does that as well, every 15 s and in no other interval. In the stateless era it also begins an answer only
    then, since one that comes sooner has a status of its own; so that is done here, too.

    Args:
        app: Answers MCP.
        every_s: The longest time without a byte.
    """

    def __init__(self, app: ASGIApp, *, every_s: float) -> None:
        self._app = app
        self._every_s = every_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        version = Headers(scope=scope).get(VERSION_HEADER)
        may_begin = scope["method"] == "POST" and version in MODERN_PROTOCOL_VERSIONS
        answer = _Answer(receive, send, every_s=self._every_s, may_begin=may_begin)
        async with anyio.create_task_group() as group:
            group.start_soon(answer.keep_alive)
            await self._app(scope, answer.receive, answer.send)
            group.cancel_scope.cancel()


class _Answer:
    """An answer on its way.

    Args:
        receive: Of the request.
        send: Of the request.
        every_s: The longest time without a byte.
        may_begin: Whether it can be begun as a stream before it is known what it will be: not in the older eras, where
            the head has the session's name, and comes at once.
    """

    def __init__(self, receive: Receive, send: Send, *, every_s: float, may_begin: bool) -> None:
        self._receive = receive
        self._send = send
        self._every_s = every_s
        self._may_begin = may_begin
        self._asked = anyio.Event()
        self._one_at_a_time = anyio.Lock()
        self._moved_s = 0.0
        self._begun = False
        self._begun_here = False
        self._are_events = False
        self._done = False
        self._body = bytearray()

    async def receive(self) -> Message:
        """Pass on what the client sends; when that was all, the answer is waited for."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._ask()
        return message

    def _ask(self) -> None:
        if not self._asked.is_set():
            self._moved_s = anyio.current_time()
            self._asked.set()

    async def send(self, message: Message) -> None:
        """Pass on what is answered."""
        async with self._one_at_a_time:
            if message["type"] == "http.response.start":
                await self._start(message)
                self._ask()
            else:
                self._done = not message.get("more_body", False)
                await self._piece(message)
            self._moved_s = anyio.current_time()

    async def keep_alive(self) -> None:
        """Send signs of life until the answer is done."""
        await self._asked.wait()
        while not self._done:
            left_s = self._moved_s + self._every_s - anyio.current_time()
            if left_s > 0:
                await anyio.sleep(left_s)
                continue
            async with self._one_at_a_time:
                await self._sign()
                self._moved_s = anyio.current_time()

    async def _sign(self) -> None:
        if not self._begun and self._may_begin:
            head = MutableHeaders(
                {"Content-Type": EVENTS, "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
            )
            await self._start({"type": "http.response.start", "status": 200, "headers": head.raw})
            self._begun_here = True
        if self._are_events and not self._done:
            await self._send({"type": "http.response.body", "body": COMMENT, "more_body": True})

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(raw=list(message["headers"]))
        are_events = headers.get("content-type", "").startswith(EVENTS)
        if self._begun_here:  # what comes now is told as an event, whatever it was to be
            self._are_events = are_events
            return
        headers[KEEP_ALIVE_HEADER] = f"{self._every_s:g}"
        self._begun, self._are_events = True, are_events
        await self._send({**message, "headers": headers.raw})

    async def _piece(self, message: Message) -> None:
        if not self._begun_here or self._are_events:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if self._done:
            line = bytes(self._body).replace(b"\r", b" ").replace(b"\n", b" ")  # JSON: no string has them
            await self._send({**message, "body": b"event: message\r\ndata: " + line + b"\r\n\r\n"})
