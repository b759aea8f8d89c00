"""Where links are used: over real connections, with and without TLS, to servers that answer as proxies may."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from devbench_cli.backends.links import HostLinks
from devbench_cli.failures import HostUnreachable
from devbench_core.tools.fs_link import FsLinkOutput
from harness.certificates import server_context

SERVED = b"HTTP/1.1 200 OK\r\nX-Devbench-Link: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
NO_ROUTE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CUT = b""
TORN = b"HTTP/1.1 200"


@attrs.define
class Server:
    """Gives each connection one answer, and remembers what it was asked."""

    port: int = 0
    asked: list[bytes] = attrs.Factory(list[bytes])


@asynccontextmanager
async def server(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    found = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found.asked.append(head.partition(b" ")[0])
        while b"PUT" in head and await reader.readline() != b"0\r\n":
            pass
        writer.write(answer.removesuffix(b"{}") if head.startswith(b"HEAD") else answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as listening:
        found.port = listening.sockets[0].getsockname()[1]
        yield found


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    context, trusted = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return context


def link_at(port: int, scheme: str = "http") -> FsLinkOutput:
    url = f"{scheme}://127.0.0.1:{port}/files/signed.word/f"
    return FsLinkOutput(url=url, method="PUT", expires_at=datetime.now(UTC), command="")


async def content() -> AsyncIterator[bytes]:
    yield b"secret"


async def sent(reached: str, link: FsLinkOutput) -> None:
    await HostLinks(reached, None).send(link, content())


@pytest.mark.parametrize("answer", [NO_ROUTE, CUT, TORN], ids=["no route", "cut", "torn"])
async def test_what_was_reached_with_tls_never_goes_without(tls: ssl.SSLContext, answer: bytes):
    async with server(answer, tls) as proxy, server(SERVED) as clear:
        with pytest.raises(HostUnreachable) as refused:
            await sent(f"https://127.0.0.1:{proxy.port}/mcp", link_at(clear.port))
    assert (proxy.asked, clear.asked) == ([b"HEAD"], [])
    assert "/files/" in refused.value.hint
    assert "signed" not in str(refused.value)


async def test_a_link_of_a_host_behind_tls_is_used_with_tls(tls: ssl.SSLContext):
    async with server(SERVED, tls) as proxy, server(SERVED) as clear:
        await sent(f"https://127.0.0.1:{proxy.port}/mcp", link_at(clear.port))
    assert (proxy.asked, clear.asked) == ([b"HEAD", b"PUT"], [])


async def test_a_link_with_tls_of_its_own_is_used_where_the_first_answer_is_no_hosts(tls: ssl.SSLContext):
    async with server(NO_ROUTE, tls) as proxy, server(SERVED, tls) as other:
        await sent(f"https://127.0.0.1:{proxy.port}/mcp", link_at(other.port, "https"))
    assert (proxy.asked, other.asked) == ([b"HEAD"], [b"HEAD", b"PUT"])


async def test_a_connection_that_breaks_sends_nothing_elsewhere():
    async with server(CUT) as proxy, server(SERVED) as other:
        with pytest.raises(HostUnreachable, match="nothing answers for links") as refused:
            await sent(f"http://127.0.0.1:{proxy.port}/mcp?key=hidden", link_at(other.port))
    assert other.asked == []
    assert "hidden" not in str(refused.value)
    assert "try again" in refused.value.hint
