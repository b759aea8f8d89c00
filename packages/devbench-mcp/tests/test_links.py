"""Links: large files and archives over HTTP, for whoever has the address, for a short time."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import tarfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client, types

from devbench_core.errors import Unauthorised
from devbench_core.files.settings import FileLimits
from devbench_core.model.caller import Caller
from devbench_core.model.link import LinkAction, LinkRequest
from devbench_mcp.links.grants import Grant, Signer
from harness.mcp_resources import STRANGER, TEAM, TOKENS, connected, spawn, tool
from harness.toolbox import Serve

MIB = 1024 * 1024


async def link(client: Client, box: str, path: str, action: str = "download", **more: Any) -> dict[str, Any]:
    return await tool(client, "fs_link", container=box, path=path, action=action, **more)


@asynccontextmanager
async def place(serve: Serve, **settings: Any) -> AsyncGenerator[tuple[Client, str, httpx2.AsyncClient]]:
    """A client, a container, and somebody outside without a token."""
    async with (
        serve(tokens=TOKENS, **settings) as served,
        connected(served.url, "2026-07-28", TEAM) as client,
        httpx2.AsyncClient(timeout=60) as outside,
    ):
        yield client, await spawn(client), outside


async def test_a_large_file_goes_in_and_comes_out_without_a_token(serve: Serve):
    data = os.urandom(20 * MIB)
    async with place(serve) as (client, box, outside):
        up = await link(client, box, "in/big.bin", "upload")
        assert up["method"] == "PUT"
        put = await outside.put(up["url"], content=data)
        assert (put.status_code, put.json()["created"]) == (201, True)
        down = await link(client, box, "in/big.bin")
        got = await outside.get(down["url"])
        assert (got.status_code, got.content) == (200, data)
        assert got.headers["etag"] == f'"{put.json()["file"]["etag"]}"'
        assert got.headers["content-length"] == str(len(data))
        assert "sandbox" in got.headers["content-security-policy"]
        assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''big.bin"


async def test_a_file_that_is_too_large_for_a_result_comes_with_its_address(serve: Serve):
    text = "x" * 300_000
    async with place(serve) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="long name.txt", text=text)
        await tool(client, "fs_write", container=box, path="short", text="x")
        result = await client.call_tool("fs_read", {"container": box, "path": "long name.txt"})
        assert result.structured_content is not None
        (shown,) = [block for block in result.content if isinstance(block, types.ResourceLink)]
        assert (str(shown.uri), shown.name) == (result.structured_content["url"], "long name.txt")
        assert (await outside.get(str(shown.uri))).text == text
        assert "url" not in await tool(client, "fs_read", container=box, path="short")


async def test_a_part_is_given_and_a_head_tells_the_size(serve: Serve):
    async with place(serve) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="f", text="0123456789")
        url = (await link(client, box, "f"))["url"]
        cases = (
            ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
            ("bytes=7-", 206, b"789", "bytes 7-9/10"),
            ("bytes=-3", 206, b"789", "bytes 7-9/10"),
            ("bytes=0-999", 206, b"0123456789", "bytes 0-9/10"),
            ("bytes=0-1,3-4", 200, b"0123456789", None),
            ("lines=1-2", 200, b"0123456789", None),
        )
        for header, status, content, shown in cases:
            got = await outside.get(url, headers={"Range": header})
            assert (got.status_code, got.content, got.headers.get("content-range")) == (
                status,
                content,
                shown,
            )
        assert (await outside.get(url, headers={"Range": "bytes=10-"})).status_code == 416
        head = await outside.head(url)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")
        etag = head.headers["etag"]
        same = await outside.get(url, headers={"If-None-Match": etag})
        assert (same.status_code, same.headers.get("content-length")) == (304, None)
        old = await outside.get(url, headers={"Range": "bytes=2-4", "If-Range": '"other"'})
        assert (old.status_code, old.content) == (200, b"0123456789")


async def test_uploads_are_conditional_as_the_link_or_the_request_says(serve: Serve):
    async with place(serve) as (client, box, outside):
        first = await tool(client, "fs_write", container=box, path="f", text="1")
        new = (await link(client, box, "f", "upload", create_only=True))["url"]
        refused = await outside.put(new, content=b"2")
        assert (refused.status_code, refused.json()["error"]["code"]) == (412, "file_conflict")
        matching = (await link(client, box, "f", "upload", if_match=first["file"]["etag"]))["url"]
        assert (await outside.put(matching, content=b"2")).status_code == 200
        assert (await outside.put(matching, content=b"3")).status_code == 412
        plain = (await link(client, box, "f", "upload"))["url"]
        assert (await outside.put(plain, content=b"4", headers={"If-Match": '"no"'})).status_code == 412
        assert (await outside.put(plain, content=b"4", headers={"If-Match": "no"})).status_code == 400
        assert (await outside.put(plain, content=b"4", headers={"If-None-Match": "*"})).status_code == 412
        assert (await tool(client, "fs_read", container=box, path="f"))["text"] == "2"


async def test_an_upload_that_breaks_off_changes_nothing(serve: Serve):
    async with place(serve) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="f", text="old")
        url = (await link(client, box, "f", "upload"))["url"]

        async def torn() -> AsyncGenerator[bytes]:
            yield b"x" * MIB
            raise ConnectionError("gone")

        with pytest.raises(ConnectionError):
            await outside.put(url, content=torn())
        async with asyncio.timeout(10):
            while len((await tool(client, "fs_list", container=box))["entries"]) != 1:
                await asyncio.sleep(0.01)
        assert (await tool(client, "fs_read", container=box, path="f"))["text"] == "old"


@asynccontextmanager
async def stalled(url: str, method: str) -> AsyncGenerator[asyncio.StreamReader]:
    """Somebody who asks, sends a little of much, and takes no more than the buffers of a connection hold."""
    parts = httpx2.URL(url)
    outside = socket.create_connection((parts.host, parts.port))
    outside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader, writer = await asyncio.open_connection(sock=outside, limit=1024)
    head = f"{method} {parts.raw_path.decode()} HTTP/1.1\r\nHost: {parts.host}:{parts.port}\r\n"
    writer.write(f"{head}Content-Length: {MIB if method == 'PUT' else 0}\r\n\r\n".encode())
    if method == "PUT":
        writer.write(b"a little")
    try:
        yield reader
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("action", ["upload", "import"])
async def test_an_upload_that_stalls_is_ended_and_changes_nothing(serve: Serve, action: str):
    async with place(serve, link_idle_s=0.3) as (client, box, _):
        more = {"format": "tar"} if action == "import" else {}
        url = (await link(client, box, "f", action, **more))["url"]
        async with asyncio.timeout(20), stalled(url, "PUT") as answer:
            assert b" 408 " in await answer.readline()
        assert (await tool(client, "fs_list", container=box))["entries"] == []


@pytest.mark.parametrize("action", ["download", "export"])
async def test_downloads_that_nobody_takes_make_room_for_others(serve: Serve, action: str):
    async with place(serve, link_idle_s=0.3) as (client, box, _), AsyncExitStack() as stack:
        await tool(client, "run", container=box, argv=["sh", "-c", "head -c 48000000 /dev/urandom > big"])
        url = (await link(client, box, "big", action))["url"]
        for _ in range(FileLimits().concurrent_max):
            taker = await stack.enter_async_context(stalled(url, "GET"))
            assert b" 200 " in await taker.readline()
        async with asyncio.timeout(30):
            assert (await tool(client, "fs_stat", container=box, path="big"))["file"][
                "size_bytes"
            ] == 48_000_000


@pytest.mark.parametrize("change", ["printf x | dd of=big conv=notrunc", "printf x >> big"])
async def test_a_download_of_a_file_that_changes_meanwhile_ends_short_of_its_length(
    serve: Serve, change: str
):
    async with place(serve) as (client, box, outside):
        await tool(client, "run", container=box, argv=["sh", "-c", "head -c 48000000 /dev/zero > big"])
        url, got = (await link(client, box, "big"))["url"], 0

        async def download() -> None:
            nonlocal got
            async with outside.stream("GET", url) as answer:
                assert (answer.status_code, answer.headers["content-length"]) == (200, "48000000")
                async for piece in answer.aiter_raw():
                    if not got:
                        await tool(client, "run", container=box, argv=["sh", "-c", change])
                    got += len(piece)

        with pytest.raises(httpx2.RemoteProtocolError):
            await download()
        assert 0 < got < 48_000_000


async def test_a_folder_comes_out_and_goes_in_as_an_archive(serve: Serve):
    async with place(serve) as (client, box, outside):
        for name in ("a", "b/c"):
            await tool(client, "fs_write", container=box, path=f"src/{name}", text=name)
        out = await link(client, box, "src", "export", format="tar.gz")
        got = await outside.get(out["url"])
        assert got.headers["content-type"] == "application/gzip"
        with tarfile.open(fileobj=io.BytesIO(got.content)) as archive:
            assert {entry.name.removeprefix("src/") for entry in archive if entry.isfile()} >= {"a", "b/c"}
        into = await link(client, box, "copy", "import", format="tar.gz")
        done = await outside.put(into["url"], content=got.content)
        assert (done.status_code, done.json()["files"]) == (200, 2)
        bad = await outside.put(into["url"], content=b"no archive")
        assert bad.status_code == 422
        assert bad.json()["error"]["code"] == "archive_refused"


async def asked_with(version: str, method: str, url: str) -> bytes:
    """Return all of what a host answers to another version of HTTP than the client's."""
    parts = httpx2.URL(url)
    reader, writer = await asyncio.open_connection(parts.host, parts.port)
    host = f"Host: {parts.host}:{parts.port}\r\nConnection: close"
    writer.write(f"{method} {parts.raw_path.decode()} HTTP/{version}\r\n{host}\r\n\r\n".encode())
    async with asyncio.timeout(30):
        found = await reader.read()
    writer.close()
    return found


async def test_an_archive_is_not_sent_where_a_part_of_it_would_look_whole(serve: Serve):
    async with place(serve) as (client, box, _):
        await tool(client, "fs_write", container=box, path="f", text="content")
        archive = (await link(client, box, ".", "export", format="tar"))["url"]
        for method in ("GET", "HEAD"):
            refused = await asked_with("1.0", method, archive)
            assert b" 505 " in refused.partition(b"\r\n")[0]
            assert b"x-devbench-link: 1" in refused.lower()
            assert (b"proxy_http_version 1.1" in refused) == (method == "GET")
        assert b" 200 " in (await asked_with("1.1", "GET", archive)).partition(b"\r\n")[0]
        file = await asked_with("1.0", "GET", (await link(client, box, "f"))["url"])
        assert b"content-length: 7\r\n" in file.lower()
        assert file.endswith(b"content")


async def test_a_link_does_one_thing_only(serve: Serve):
    async with place(serve) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="f", text="x")
        url = (await link(client, box, "f"))["url"]
        assert (await outside.put(url, content=b"y")).status_code == 405
        assert (await outside.post(url, content=b"y")).status_code == 405
        head, _, tail = url.rpartition("/")
        assert (await outside.get(f"{head}/another-name")).content == b"x", "the name is for people"
        for wrong in (
            f"{head[:-2]}AA/{tail}",
            f"{head}A/{tail}",
            url.replace("/files/", "/files/x"),
            head[:60],
        ):
            got = await outside.get(wrong)
            assert (got.status_code, got.json()["error"]["code"]) == (403, "unauthorised")


async def test_a_link_expires(serve: Serve):
    async with place(serve, link_ttl_s=1) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="f", text="x")
        url = (await link(client, box, "f"))["url"]
        async with asyncio.timeout(10):
            while (await outside.get(url)).status_code == 200:
                await asyncio.sleep(0.05)
        assert "expired" in (await outside.get(url)).json()["error"]["message"]


async def test_hosts_with_one_key_serve_each_others_links_and_others_do_not(serve: Serve):
    key = "k" * 32
    async with place(serve, link_key=key) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="f", text="x")
        url = (await link(client, box, "f"))["url"]
        path = url.partition("/files/")[2]
        async with serve(link_key=key) as same, serve() as other:
            assert (await outside.get(f"{same.base}/files/{path}")).status_code == 200
            assert (await outside.get(f"{other.base}/files/{path}")).status_code == 403


async def test_links_are_given_only_for_what_the_caller_may_do(serve: Serve):
    tokens = [
        *TOKENS,
        {"token": "reader-0123456789", "tenant": "team", "subject": "reader", "scopes": ["read"]},
    ]
    async with (
        serve(tokens=tokens) as served,
        connected(served.url, "legacy", TEAM) as client,
        connected(served.url, "legacy", "reader-0123456789") as reader,
        connected(served.url, "legacy", STRANGER) as stranger,
    ):
        box = await spawn(client)
        await tool(client, "fs_write", container=box, path="f", text="x")
        assert (await link(reader, box, "f"))["method"] == "GET"
        for who, action, code in (
            (reader, "upload", "unauthorised"),
            (reader, "import", "unauthorised"),
            (stranger, "download", "container_not_found"),
        ):
            arguments = {"container": box, "path": "f", "action": action}
            refused = await who.call_tool("fs_link", arguments)
            assert refused.is_error
            assert refused.structured_content is not None
            assert refused.structured_content["error"]["code"] == code


async def test_what_is_gone_or_outside_is_told(serve: Serve):
    async with place(serve) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="f", text="x")
        url = (await link(client, box, "f"))["url"]
        await tool(client, "fs_delete", container=box, path="f")
        assert (await outside.get(url)).status_code == 404
        folder = (await link(client, box, ".", "upload"))["url"]
        assert (await outside.put(folder, content=b"x")).status_code in {400, 422}
        await tool(client, "kill", container=box)
        assert (await outside.get(url)).status_code in {404, 410}


async def test_the_public_address_is_the_one_in_links(serve: Serve):
    async with place(serve, public_url="https://bench.example.com/box") as (client, box, _):
        url = (await link(client, box, "new", "upload"))["url"]
        assert url.startswith("https://bench.example.com/box/files/")


async def test_a_link_to_a_name_that_is_not_utf8_is_one_that_json_carries(serve: Serve):
    async with place(serve) as (client, box, outside):
        await tool(client, "fs_write", container=box, path="file:///workspace/caf%E9", text="x")
        for action in ("download", "upload", "export", "import"):
            given = await link(client, box, "file:///workspace/caf%E9", action)
            assert "caf\N{REPLACEMENT CHARACTER}" in given["command"]
            assert given["url"].endswith("/caf%E9")
            assert action != "download" or (await outside.get(given["url"])).text == "x"


async def test_a_link_that_is_given_is_taken_and_one_that_would_be_too_long_is_refused(serve: Serve):
    deep = "/".join(["%FF" * 250] * 16)  # bytes that are no UTF-8 take the most room
    async with place(serve) as (client, box, outside):
        longest = f"file:///workspace/{deep}"
        for path, ignore in ((longest, []), ("f", ["\1" * 400] * 10), (longest, ["é" * 250] * 4)):
            given = await link(client, box, path, "export", ignore=ignore)
            got = await outside.get(given["url"])
            assert got.status_code == 404, (len(given["url"]), got.text[:300])
        arguments = {"container": box, "path": longest, "action": "export", "ignore": ["\1" * 400] * 10}
        refused = await client.call_tool("fs_link", arguments)
        assert refused.structured_content is not None
        error = refused.structured_content["error"]
        assert (error["code"], error["details"]) == ("validation", {"field": "ignore", "limit": 49_152})
        assert "49152" in error["message"]


def test_a_grant_is_read_only_as_it_was_signed():
    signer = Signer()
    request = LinkRequest(
        action=LinkAction.UPLOAD,
        container_id="c_1",
        path="/workspace/\udcff ä",
        if_match="e",
        create_only=False,
    )
    grant = Grant(
        request=request,
        caller=Caller(tenant="t", subject="s", scopes=frozenset({"write"}), client="link"),
        expires_s=100,
    )
    word = signer.sign(grant)
    assert signer.read(word, now_s=99.9) == grant
    for wrong, now_s in (
        (word, 100.0),
        (word[:-1], 1.0),
        ("x" + word, 1.0),
        ("", 1.0),
        (".", 1.0),
        ("ä.ö", 1.0),
    ):
        with pytest.raises(Unauthorised):
            signer.read(wrong, now_s=now_s)
    with pytest.raises(Unauthorised):
        Signer().read(word, now_s=1.0)
