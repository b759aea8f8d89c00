"""Files as resources: read, completed and followed, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError, types

import devbench_core
from devbench_core.containers.requests import SpawnRequest
from devbench_core.errors import NotFound, ValidationFailed
from devbench_core.model.caller import LOCAL
from devbench_core.model.change import FileChanges
from devbench_core.tasks import background
from devbench_core.testing.fake import fake_bench
from devbench_mcp.resources import addresses, completing, fileuris
from devbench_mcp.resources.fileuris import FileUri
from devbench_mcp.resources.filewatches import FileWatches
from harness.mcp_resources import STRANGER, TEAM, TOKENS, Updates, connected, spawn, tool, until
from harness.toolbox import Serve

META = "devbench/file"


def address(container: str, path: str, **more: int) -> str:
    return str(FileUri(container=container, path=path, **more))


async def contents(client: Client, uri: str) -> types.TextResourceContents | types.BlobResourceContents:
    (found,) = (await client.read_resource(uri)).contents
    return found


def facts(found: types.TextResourceContents | types.BlobResourceContents) -> dict[str, Any]:
    assert found.meta is not None
    return found.meta[META]


async def test_a_text_comes_as_text_with_its_media_type_and_etag(serve: Serve, era: str):
    async with serve() as served, connected(served.url, era) as client:
        box = await spawn(client)
        written = await tool(client, "fs_write", container=box, path="src/a b.py", text="print('ä')\n")
        found = await contents(client, address(box, "src/a b.py"))
        assert isinstance(found, types.TextResourceContents)
        assert (found.text, found.mime_type) == ("print('ä')\n", "text/x-python")
        assert facts(found)["file"]["etag"] == written["file"]["etag"]
        assert "next" not in facts(found)


async def test_bytes_come_as_a_blob_and_a_large_file_piece_by_piece(serve: Serve, era: str):
    data = os.urandom(1_300_000)
    async with serve() as served, connected(served.url, era) as client:
        box = await spawn(client)
        for start in range(0, len(data), 400_000):
            piece = base64.b64encode(data[start : start + 400_000]).decode()
            await tool(client, "fs_write", container=box, path=f"p{start:08}", base64=piece)
        await tool(client, "run", container=box, argv=["sh", "-c", "cat p* > image.png; rm p*"])
        uri: str | None = address(box, "image.png")
        read = b""
        while uri is not None:
            found = await contents(client, uri)
            assert isinstance(found, types.BlobResourceContents)
            assert found.mime_type == "image/png"
            read += base64.b64decode(found.blob)
            uri = facts(found).get("next")
        assert read == data


async def test_a_long_text_is_never_cut_within_a_character(serve: Serve):
    text = "ä€😀x" * 30_000
    async with serve() as served, connected(served.url, "2026-07-28") as client:
        box = await spawn(client)
        await tool(client, "fs_write", container=box, path="long.txt", text=text)
        uri: str | None = address(box, "long.txt", max_bytes=50_001)
        read = ""
        while uri is not None:
            found = await contents(client, uri)
            assert isinstance(found, types.TextResourceContents)
            read += found.text
            uri = facts(found).get("next")
        assert read == text


async def test_what_is_no_file_is_not_read(serve: Serve, era: str):
    async with serve(tokens=TOKENS) as served, connected(served.url, era, TEAM) as client:
        box = await spawn(client)
        await tool(client, "fs_write", container=box, path="d/f", text="x")
        for path, code in (
            ("absent", "file_not_found"),
            ("d", "file_failed"),
            ("../x", "path_outside_workspace"),
        ):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(address(box, path))
            assert refused.value.error.data["code"] == code
        async with connected(served.url, era, STRANGER) as other:
            with pytest.raises(MCPError) as refused:
                await other.read_resource(address(box, "d/f"))
            assert refused.value.error.data["code"] == "container_not_found"


async def test_a_followed_file_tells_of_its_changes_its_deletion_and_its_return(serve: Serve, era: str):
    updates = Updates()
    async with serve(update_every_s=0.1) as served, connected(served.url, era, **updates.options) as client:
        box = await spawn(client)
        await tool(client, "fs_write", container=box, path="d/f", text="1")
        await tool(client, "fs_write", container=box, path="d/other", text="1")
        uri = address(box, "d/f")
        async with updates.following(client, uri) as honoured:
            assert honoured == [uri]
            await tool(client, "fs_write", container=box, path="d/other", text="2")
            await tool(client, "fs_write", container=box, path="d/f", text="2")
            await until(lambda: len(updates.seen) == 1)
            await tool(client, "run", container=box, argv=["mv", "d", "e"])
            await until(lambda: len(updates.seen) == 2)
            await tool(client, "fs_write", container=box, path="d/f", text="3")
            await until(lambda: len(updates.seen) == 3)
            await tool(client, "kill", container=box)
            await until(lambda: len(updates.seen) == 4)
        assert {seen for _, seen in updates.seen} == {uri}


async def test_any_number_of_subscriptions_are_told(serve: Serve):
    updates = Updates()
    async with serve() as served, connected(served.url, "legacy", **updates.options) as client:
        box = await spawn(client)
        names = [f"f{number}" for number in range(30)]
        for name in names:
            await tool(client, "fs_write", container=box, path=name, text="x")
        async with updates.following(client, *(address(box, name) for name in names)):
            await tool(client, "run", container=box, argv=["sh", "-c", "for f in f*; do echo y > $f; done"])
            await until(lambda: len({seen for _, seen in updates.seen}) == 30)


async def test_files_of_one_container_are_followed_by_one_watch_and_none_when_nobody_does(
    bench: devbench_core.Bench,
):
    box = (await bench.containers.spawn(SpawnRequest())).container.id
    told = Counter[int]()
    async with background() as tasks:
        watches = FileWatches(bench, tasks, every_s=0.01)
        stops: list[Callable[[], None]] = []
        for number in range(3):
            await bench.files.write(box, f"f{number}", b"1")
            stops.append(await watches.follow(box, f"f{number}", LOCAL, lambda _, n=number: told.update([n])))
        assert watches.count == 1
        for number in range(3):
            await bench.files.write(box, f"f{number}", b"2")
        await until(lambda: len(told) == 3)
        for stop in stops:
            stop()
        assert watches.count == 0


async def test_a_fault_that_nobody_foresaw_is_tried_again_and_ends_no_other_watch(
    bench: devbench_core.Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("devbench_mcp.resources.filewatches.RETRY_S", 0.01)
    box = (await bench.containers.spawn(SpawnRequest())).container.id
    await bench.files.write(box, "f", b"1")
    rings: list[bool] = []
    real, faults = bench.files.changes, iter([RuntimeError("the store is upside down")])

    async def faulty(*given: Any, wait_s: float = 0, **more: Any) -> FileChanges:
        if wait_s and (fault := next(faults, None)) is not None:
            raise fault
        return await real(*given, wait_s=wait_s, **more)

    monkeypatch.setattr(bench.files, "changes", faulty)
    async with background() as tasks:
        watches = FileWatches(bench, tasks, every_s=0.01)
        stop = await watches.follow(box, "f", LOCAL, rings.append)
        await bench.files.write(box, "f", b"2")
        await until(lambda: rings == [False])
        assert next(faults, None) is None
        stop()


async def test_what_is_not_there_cannot_be_followed(serve: Serve):
    updates = Updates()
    async with serve() as served, connected(served.url, "2026-07-28", **updates.options) as client:
        box = await spawn(client)
        async with updates.following(client, address(box, "absent"), address("nobody", "f")) as honoured:
            assert honoured == []


async def test_an_address_with_half_a_surrogate_pair_cannot_be_followed(serve: Serve):
    method, version = "subscriptions/listen", "2026-07-28"
    about = {
        "protocolVersion": version,
        "clientInfo": {"name": "raw", "version": "1"},
        "clientCapabilities": {},
    }
    params = {
        "notifications": {"resourceSubscriptions": ["devbench://web/files/a\ud800"]},
        "_meta": {f"io.modelcontextprotocol/{name}": value for name, value in about.items()},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": version,
        "Mcp-Method": method,
    }
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    async with (
        serve() as served,
        httpx2.AsyncClient() as http,
        http.stream("POST", served.url, content=asked, headers=headers) as answer,
    ):
        async with asyncio.timeout(10):
            told = await anext(line async for line in answer.aiter_lines() if "{" in line)
    agreed = json.loads(told.removeprefix("data: "))
    assert agreed["method"] == "notifications/subscriptions/acknowledged", agreed
    assert not agreed["params"]["notifications"].get("resourceSubscriptions")


async def complete(client: Client, template: str, name: str, value: str, **given: str) -> list[str]:
    result = await client.complete(
        types.ResourceTemplateReference(uri=template), {"name": name, "value": value}, given or None
    )
    return result.completion.values


async def test_containers_commands_and_paths_are_completed(serve: Serve, era: str):
    async with serve(tokens=TOKENS) as served, connected(served.url, era, TEAM) as client:
        box = str((await tool(client, "spawn", alias="web"))["container"]["id"])
        for path in ("src/main.py", "src/mail.py", "src/lib/x", "setup.cfg"):
            await tool(client, "fs_write", container=box, path=path, text="x")
        template = fileuris.TEMPLATE
        assert await complete(client, template, "container", "we") == ["web"]
        assert await complete(client, template, "container", box[:6]) == [box]
        assert await complete(client, template, "path", "s", container="web") == ["setup.cfg", "src/"]
        assert await complete(client, template, "path", "src/ma", container=box) == [
            "src/mail.py",
            "src/main.py",
        ]
        assert await complete(client, template, "path", "nowhere/x", container=box) == []
        assert await complete(client, template, "path", "../", container=box) == []
        assert await complete(client, "file:///{x}", "path", "s", container=box) == []
        async with connected(served.url, era, STRANGER) as other:
            assert await complete(other, template, "container", "we") == []
            assert await complete(other, template, "path", "s", container=box) == []


async def test_an_absolute_path_is_completed_with_what_lies_there_and_begins_with_a_root(tmp_path: Path):
    (tmp_path / "data").mkdir()
    root = str(tmp_path / "data")
    async with fake_bench(tmp_path, policy={"file_roots": [root]}) as fake:
        box = (await fake.bench.containers.spawn(SpawnRequest(alias="web"))).container.id
        for path in ("README.md", "work", f"{root}/f"):
            await fake.bench.files.write(box, path, b"x")
        for value, expected in {
            "/": ["/workspace/", f"{root}/"],
            "/R": [],
            "/w": ["/workspace/"],
            "/workspace/R": ["/workspace/README.md"],
            f"{root}/": [f"{root}/f"],
            f"{tmp_path}/": [],
        }.items():
            params = types.CompleteRequestParams(
                ref=types.ResourceTemplateReference(uri=fileuris.TEMPLATE),
                argument=types.CompletionArgument(name="path", value=value),
                context=types.CompletionContext(arguments={"container": "web"}),
            )
            assert (await completing.complete(fake.bench, params, LOCAL)).values == expected, value


def test_names_that_are_no_text_have_addresses():
    uri = FileUri(container="web", path=os.fsdecode(b"caf\xe9/\xff?#% "), offset=3, max_bytes=2048)
    assert str(uri) == "devbench://web/files/caf%E9/%FF%3F%23%25%20?offset=3&max_bytes=2048"
    assert addresses.parse(str(uri)) == uri


@given(
    st.binary(min_size=1, max_size=40).filter(lambda path: path.strip(b"/") != b""),
    st.integers(0, 10**12),
    st.none() | st.integers(1024, 500_000),
)
def test_every_address_is_read_as_it_was_written(path: bytes, offset: int, most: int | None):
    uri = FileUri(container="c_1", path=os.fsdecode(path), offset=offset, max_bytes=most)
    assert addresses.parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("devbench://web/files/", NotFound),
        ("devbench://web/files//", NotFound),
        ("devbench://web/file/x", NotFound),
        ("devbench://we b/files/x", NotFound),
        ("devbench://web/files/a\ud800", NotFound),
        ("file:///etc/passwd", NotFound),
        ("devbench://web/files/x?offset=-1", ValidationFailed),
        ("devbench://web/files/x?max_bytes=1", ValidationFailed),
        ("devbench://web/files/x?other=1", ValidationFailed),
        ("devbench://web/files/x?offset=1&offset=2", ValidationFailed),
    ],
)
def test_what_is_no_address_is_refused(text: str, error: type[Exception]):
    with pytest.raises(error):
        addresses.parse(text)
