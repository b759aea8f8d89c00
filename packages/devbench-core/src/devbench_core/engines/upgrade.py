"""Upgrades one HTTP request to a raw duplex connection, as attach and exec of Docker and Podman do.

aiodocker's own stream ends with an AssertionError when it is used after the engine closed it, and cannot tell a
broken connection from an end; podman's has no stdin at all. So the few lines that the upgrade takes are here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from devbench_core.engines.answers import EngineAnswer
from devbench_core.values import frozen

READ_BYTES = 256 * 1024
HEAD_MAX_BYTES = 64 * 1024
ERROR_MAX_BYTES = 64 * 1024
ACCEPTED = (101, 200)


@frozen
class Connection:
    """A raw connection to an attached process."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def unix_dial(path: str) -> Dial:
    """Return what connects to an engine's Unix socket."""
    return lambda: asyncio.open_unix_connection(path, limit=READ_BYTES)


async def upgrade(
    dial: Dial, path: str, params: dict[str, str], body: dict[str, Any] | None, *, host: str = "engine"
) -> Connection:
    """Open a connection, ask for the upgrade and return it once the engine agreed.

    Raises:
        EngineAnswer: The engine answered with an error.
        OSError: It could not be reached, or closed the connection.
    """
    reader, writer = await dial()
    try:
        writer.write(_request(host, path, params, body))
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        await _check(head, reader)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        writer.transport.abort()
        raise ConnectionError("the engine did not answer an upgrade in HTTP") from error
    except BaseException:
        writer.transport.abort()
        raise
    return Connection(reader=reader, writer=writer)


def _request(host: str, path: str, params: dict[str, str], body: dict[str, Any] | None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    query = f"?{urlencode(params)}" if params else ""
    head = (
        f"POST {path}{query} HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "Connection: Upgrade\r\n"
        "Upgrade: tcp\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    return head.encode("ascii") + data


async def _check(head: bytes, reader: asyncio.StreamReader) -> None:
    status, headers = _parse(head)
    if status not in ACCEPTED:
        raise EngineAnswer(status, await _error_text(reader, headers))


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    if len(head) > HEAD_MAX_BYTES:
        raise ValueError("the head is too long")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(first.split(" ", 2)[1]) if " " in first else 0
    pairs = (line.partition(":") for line in lines if line)
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _error_text(reader: asyncio.StreamReader, headers: dict[str, str]) -> str:
    length = min(int(headers.get("content-length", "0") or "0"), ERROR_MAX_BYTES)
    data = await reader.readexactly(length)
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode(errors="replace")
