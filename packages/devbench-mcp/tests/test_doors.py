"""Who may come in over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from devbench_core.errors import ConfigurationInvalid
from devbench_mcp.callers import Callers
from devbench_mcp.http import HEAD_MAX_BYTES
from devbench_mcp.settings import mcp_settings
from harness.greeting import INITIALIZE
from harness.toolbox import Serve

TOKEN = "0123456789abcdef-writer"
READER = "0123456789abcdef-reader"
TOKENS = [
    {"token": TOKEN, "subject": "writer", "tenant": "acme"},
    {"token": READER, "subject": "reader", "tenant": "acme", "scopes": ["read"]},
]
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def post(url: str, headers: dict[str, str], body: Any = INITIALIZE) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(url, json=body, headers={**ACCEPT, **headers})


async def with_token(stack: AsyncExitStack, url: str, token: str, mode: str) -> Client:
    http = await stack.enter_async_context(
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30)
    )
    return await stack.enter_async_context(Client(streamable_http_client(url, http_client=http), mode=mode))


async def test_without_a_token_there_is_a_401_that_says_what_to_send(serve: Serve):
    async with serve(tokens=TOKENS) as served:
        answer = await post(served.url, {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "unauthorised"


@pytest.mark.parametrize(
    "header", [f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN[:-1]}"]
)
async def test_a_wrong_token_is_a_401(serve: Serve, header: str):
    async with serve(tokens=TOKENS) as served:
        answer = await post(served.url, {"Authorization": header})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


async def test_each_token_stands_for_its_caller(serve: Serve, era: str):
    async with serve(tokens=TOKENS) as served, AsyncExitStack() as stack:
        for token, subject in ((TOKEN, "writer"), (READER, "reader")):
            client = await with_token(stack, served.url, token, era)
            result = await client.call_tool("acme_echo", {"text": "x"})
            assert result.structured_content["subject"] == subject


async def test_a_caller_without_the_scope_is_refused_and_told_its_scopes(serve: Serve, era: str):
    async with serve(tokens=TOKENS) as served, AsyncExitStack() as stack:
        client = await with_token(stack, served.url, READER, era)
        result = await client.call_tool("spawn", {"nonsense": 1})
    assert result.structured_content["error"]["code"] == "unauthorised"
    assert result.structured_content["error"]["hint"] == "your scopes: read"


async def test_a_session_belongs_to_the_caller_that_opened_it(serve: Serve):
    async with serve(tokens=TOKENS) as served:
        opened = await post(served.url, {"Authorization": f"Bearer {TOKEN}"})
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        mine = await post(served.url, {"Authorization": f"Bearer {TOKEN}", **session}, ping)
        theirs = await post(served.url, {"Authorization": f"Bearer {READER}", **session}, ping)
    assert mine.status_code == 200
    assert theirs.status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1"])
async def test_another_host_header_is_refused(serve: Serve, host: str):
    async with serve() as served:
        answer = await post(served.url, {"Host": host})
    assert answer.status_code == 421
    assert "mcp.allowed_hosts" in answer.json()["error"]["hint"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
async def test_a_web_page_of_another_origin_is_refused(serve: Serve, origin: str):
    async with serve() as served:
        answer = await post(served.url, {"Origin": origin})
    assert answer.status_code == 403


async def test_names_and_origins_that_the_operator_allows_are_served(serve: Serve):
    async with serve(allowed_hosts=["bench.example"], allowed_origins=["https://ui.example"]) as served:
        answer = await post(served.url, {"Host": "bench.example", "Origin": "https://ui.example"})
    assert answer.status_code == 200


async def test_host_and_origin_are_checked_with_a_good_token_too(serve: Serve):
    async with serve(tokens=TOKENS) as served:
        good = {"Authorization": f"Bearer {TOKEN}"}
        assert (await post(served.url, {**good, "Host": "evil.example"})).status_code == 421
        assert (await post(served.url, {**good, "Origin": "http://evil.example"})).status_code == 403


async def test_a_body_over_the_limit_is_refused(serve: Serve):
    async with serve(max_body_bytes=65536) as served:
        answer = await post(served.url, {}, {**INITIALIZE, "padding": "x" * 70000})
    assert answer.status_code == 413


async def test_a_head_over_the_limit_is_refused_whichever_parsers_are_installed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    class Boundless(asyncio.Protocol):
        """As httptools, which takes a head of any size, and which uvicorn prefers where it is installed."""

        def __init__(self, **_: object) -> None: ...

    monkeypatch.setattr("uvicorn.protocols.http.auto.AutoHTTPProtocol", Boundless)
    async with asyncio.timeout(10), serve(tokens=TOKENS) as served:
        parts = httpx2.URL(served.url)
        reader, writer = await asyncio.open_connection(parts.host, parts.port)
        writer.write(f"GET /mcp HTTP/1.1\r\nHost: {parts.host}\r\nX: ".encode() + b"x" * HEAD_MAX_BYTES)
        assert b" 400 " in await reader.readline()
        writer.transport.abort()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "bench.example"])  # noqa: S104
def test_an_open_address_needs_a_token(host: str):
    with pytest.raises(ConfigurationInvalid, match="needs a bearer token"):
        Callers.of(mcp_settings({"host": host}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_a_loopback_address_needs_none(host: str):
    assert not Callers.of(mcp_settings({"host": host})).needed


def test_a_short_token_is_refused():
    with pytest.raises(ConfigurationInvalid, match="shorter than 16"):
        Callers.of(mcp_settings({"tokens": [{"token": "short"}]}))


def test_the_same_token_twice_is_refused():
    with pytest.raises(ConfigurationInvalid, match="twice"):
        Callers.of(mcp_settings({"tokens": [{"token": TOKEN}, {"token": TOKEN}]}))


def test_a_token_comes_from_a_variable_or_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "token").write_text(READER + "\n")
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    callers = Callers.of(
        mcp_settings(
            {
                "tokens": [
                    {"token_env": "ACME_TOKEN", "subject": "a"},
                    {"token_file": str(tmp_path / "token"), "subject": "b"},
                ]
            }
        )
    )
    found = [callers.find(f"Bearer {token}".encode()) for token in (TOKEN, READER)]
    assert [principal.caller.subject for principal in found if principal] == ["a", "b"]


def test_a_missing_variable_or_file_is_named(tmp_path: Any):
    for entry, name in (
        ({"token_env": "ACME_MISSING"}, "ACME_MISSING"),
        ({"token_file": str(tmp_path / "none")}, "none"),
    ):
        with pytest.raises(ConfigurationInvalid, match=name):
            Callers.of(mcp_settings({"tokens": [entry]}))


def test_settings_name_every_fault_and_show_no_value():
    with pytest.raises(ConfigurationInvalid) as caught:
        mcp_settings({"prot": 1, "grace_s": -1, "tokens": [{"token": TOKEN, "token_env": "X"}]})
    text = str(caught.value)
    assert "did you mean 'port'?" in text
    assert "mcp.grace_s" in text
    assert "exactly one" in text
    assert TOKEN not in text
    assert TOKEN not in repr(mcp_settings({"tokens": TOKENS}))
