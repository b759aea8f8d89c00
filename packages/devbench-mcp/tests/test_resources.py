"""Outputs of commands as resources: listed, read and followed, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError, types

import devbench_core
from devbench_core.errors import NotFound, ValidationFailed
from devbench_mcp.resources import fileuris, uris
from devbench_mcp.server import ToolServer
from harness.mcp_resources import (
    STRANGER,
    TEAM,
    TOKENS,
    Updates,
    connected,
    spawn,
    subscribe,
    tool,
    until,
)
from harness.toolbox import Serve

EVERY_S = 0.2
TICKS = ["sh", "-c", "i=0; while [ ! -e go ]; do echo tick $i; i=$((i+1)); sleep 0.01; done; echo over"]


async def started(client: Client, container: str, argv: list[str]) -> str:
    """Start a command and return the address of its output."""
    view = (await tool(client, "exec_start", container=container, argv=argv))["exec"]
    return str(uris.OutputUri(container_id=container, exec_id=view["id"]))


async def ran(client: Client, container: str, argv: list[str]) -> str:
    uri = await started(client, container, argv)
    await tool(client, "exec_wait", exec_id=uris.parse(uri).exec_id, wait_s=20)
    return uri


async def read(client: Client, uri: str) -> tuple[str, dict[str, Any]]:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, types.TextResourceContents)
    assert (contents.uri, contents.mime_type) == (uri, "text/plain")
    assert contents.meta is not None
    return contents.text, contents.meta["devbench/output"]


async def test_a_resource_is_the_output_of_its_command(serve: Serve, era: str):
    async with serve() as served, connected(served.url, era) as client:
        container = await spawn(client)
        uri = await ran(client, container, ["sh", "-c", "echo héllo; exit 3"])
        text, facts = await read(client, uri)
        assert text == "héllo\n"
        assert (facts["ended"], facts["exact"], facts["lost_bytes"]) == (True, True, 0)
        assert facts["ending"]["exit_code"] == 3


async def test_of_much_output_the_ends_are_shown_and_the_rest_can_be_read(serve: Serve, era: str):
    async with serve() as served, connected(served.url, era) as client:
        container = await spawn(client)
        script = "i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done"
        uri = await ran(client, container, ["sh", "-c", script])
        whole = "".join(f"line {i}\n" for i in range(30000))
        text, facts = await read(client, f"{uri}?max_bytes=2000")
        assert text.startswith(whole[:1000])
        assert text.endswith(whole[-1000:])
        assert facts["left_out_bytes"] == len(whole) - 2000
        assert f"[{len(whole) - 2000} bytes are left out here; read them with {uri}?after=" in text
        gathered, cursor = "", 0
        while True:
            part, facts = await read(client, f"{uri}?after={cursor}&max_bytes=98304")
            gathered, cursor = gathered + part, facts["cursor"]
            if facts["ended"]:
                break
        assert gathered == whole


async def test_bytes_that_are_no_text_are_said_to_be_inexact(serve: Serve):
    async with serve() as served, connected(served.url, "2026-07-28") as client:
        container = await spawn(client)
        uri = await ran(client, container, ["printf", r"a\377b"])
        text, facts = await read(client, uri)
        assert (text, facts["exact"]) == ("a\ufffdb", False)


async def test_commands_are_listed_in_pages_with_the_newest_of_a_container_first(
    serve: Serve, era: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("devbench_mcp.resources.listing.PAGE", 2)
    monkeypatch.setattr("devbench_mcp.resources.listing.PER_CONTAINER", 3)
    async with serve() as served, connected(served.url, era) as client:
        wanted: set[str] = set()
        for _ in range(3):
            container = await spawn(client)
            made = [await ran(client, container, ["echo", str(number)]) for number in range(4)]
            wanted |= set(made[1:])
        found: list[types.Resource] = []
        cursor, pages = None, 0
        while True:
            page = await client.list_resources(cursor=cursor)
            found += page.resources
            pages += 1
            assert len(page.resources) <= 3
            if (cursor := page.next_cursor) is None:
                break
        assert pages >= 3
        assert len(found) == len(wanted)
        assert {str(resource.uri) for resource in found} == wanted
        assert [resource.title for resource in found[:3]] == ["echo 3", "echo 2", "echo 1"]
        assert found[0].size == 2
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == [uris.TEMPLATE, fileuris.TEMPLATE]
        with pytest.raises(MCPError) as refused:
            await client.list_resources(cursor="nonsense")
        assert refused.value.error.code == types.INVALID_PARAMS


async def test_another_tenant_neither_lists_nor_reads_nor_follows(serve: Serve, era: str):
    updates = Updates()
    async with (
        serve(tokens=TOKENS) as served,
        connected(served.url, era, TEAM) as client,
        connected(served.url, era, STRANGER, **updates.options) as stranger,
    ):
        container = await spawn(client)
        uri = await started(client, container, TICKS)
        assert (await stranger.list_resources()).resources == []
        missing = types.INVALID_PARAMS if era == "2026-07-28" else -32002
        elsewhere = uri.replace(container, "c_" + "0" * 20)
        for who, address in (
            (stranger, uri),
            (client, elsewhere),
            (client, "devbench://x"),
            (client, uri + "x"),
        ):
            with pytest.raises(MCPError) as refused:
                await who.read_resource(address)
            assert refused.value.error.code == missing
        if era == "legacy":
            with pytest.raises(MCPError) as refused:
                async with updates.following(stranger, uri):
                    pass
            assert refused.value.error.code == missing
        else:
            async with updates.following(stranger, uri) as honoured:
                assert honoured == []
                await tool(client, "fs_write", container=container, path="go", text="")
                await tool(client, "exec_wait", exec_id=uris.parse(uri).exec_id, wait_s=20)
        assert updates.seen == []


async def test_a_token_that_may_not_look_gets_nothing(serve: Serve, era: str):
    tokens = [{"token": TEAM, "subject": "worker", "scopes": ["exec", "manage"]}]
    async with serve(tokens=tokens) as served, connected(served.url, era, TEAM) as client:
        with pytest.raises(MCPError) as refused:
            await client.list_resources()
        assert refused.value.error.data["code"] == "unauthorised"


def watching() -> int:
    return sum(task.get_name().startswith("watch ") for task in asyncio.all_tasks())


async def test_updates_come_while_a_command_writes_and_once_at_its_end(serve: Serve, era: str):
    updates = Updates()
    async with (
        serve(update_every_s=EVERY_S) as served,
        connected(served.url, era, **updates.options) as client,
    ):
        container = await spawn(client)
        uri = await started(client, container, TICKS)
        begun = time.monotonic()
        async with updates.following(client, uri):
            await until(lambda: len(updates.of(uri)) >= 4)
            text, facts = await read(client, uri)
            assert text.startswith("tick 0\n")
            assert facts["ended"] is False
            go = time.monotonic()
            await tool(client, "fs_write", container=container, path="go", text="")
            await tool(client, "exec_wait", exec_id=uris.parse(uri).exec_id, wait_s=20)
            await until(lambda: not watching() and updates.of(uri)[-1] > go)
            over, told = time.monotonic(), len(updates.seen)
            text, facts = await read(client, uri)
            assert text.endswith("over\n")
            assert facts["ended"] is True
            assert len(updates.seen) <= told + 1  # the last one may have been on its way to us
        assert {seen for _, seen in updates.seen} == {uri}
        while_it_wrote = [at for at in updates.of(uri) if at < go]
        # at most one in each interval, and the end; one of each may have been under way
        assert len(while_it_wrote) <= (go - begun) / EVERY_S + 2
        assert len(updates.seen) - len(while_it_wrote) <= (over - go) / EVERY_S + 2


async def test_a_command_that_ended_before_it_was_followed_is_told_once(serve: Serve, era: str):
    updates = Updates()
    async with serve() as served, connected(served.url, era, **updates.options) as client:
        container = await spawn(client)
        uri = await ran(client, container, ["true"])
        async with updates.following(client, uri):
            await until(lambda: len(updates.seen) == 1)


async def test_nothing_is_left_of_a_thousand_subscriptions(bench: devbench_core.Bench, era: str):
    from devbench_core.model.caller import LOCAL

    server = ToolServer(bench, LOCAL)
    async with Client(server.build(), mode=era) as client:
        container = await spawn(client)
        running = await started(client, container, ["sleep", "300"])
        for _ in range(500):
            async with Updates().following(client, running):
                assert server.watched == 1
            await until(lambda: server.watched == 0)
        many = [f"{running}?after={number}" for number in range(500)]
        async with Updates().following(client, *many):
            assert server.watched == 1
            await tool(client, "exec_cancel", exec_id=uris.parse(running).exec_id)
            await until(lambda: server.watched == 0)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not {name for name in names if name.startswith(("watch ", "updates "))}


async def test_a_client_that_goes_is_followed_no_longer(serve: Serve, bench: devbench_core.Bench, era: str):
    updates = Updates()
    async with serve() as served:
        async with connected(served.url, era) as client:
            uri = await started(client, await spawn(client), ["sleep", "300"])
        closing = asyncio.Event()

        async def follow_and_go() -> None:
            async with connected(served.url, era, **updates.options) as other:
                if era == "legacy":
                    await subscribe(other, uri)
                    await closing.wait()
                    return
                async with other.listen(resource_subscriptions=[uri]):
                    await closing.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(follow_and_go())
            await until(lambda: watching() == 1)
            closing.set()
        await until(lambda: watching() == 0)


async def test_a_client_has_a_bounded_number_of_subscriptions(serve: Serve, era: str):
    async with serve(subscriptions_max=2) as served, connected(served.url, era) as client:
        uri = await started(client, await spawn(client), ["sleep", "300"])
        with pytest.raises(MCPError, match="subscriptions_max"):
            async with Updates().following(client, *(f"{uri}?after={number}" for number in range(3))):
                pass


async def test_an_open_stream_of_resources_does_not_delay_a_stop(serve: Serve, era: str):
    async with serve(grace_s=10) as served, connected(served.url, era) as client:
        uri = await started(client, await spawn(client), TICKS)
        listening = asyncio.Event()

        async def follow() -> None:
            async with client.listen(resource_subscriptions=[uri]) as stream:
                listening.set()
                async for _ in stream:
                    pass

        async with asyncio.TaskGroup() as group:
            if era == "legacy":
                await subscribe(client, uri)
            else:
                group.create_task(follow())
                await asyncio.wait_for(listening.wait(), 10)
            served.stopping.set()
            await asyncio.wait_for(served.stopped.wait(), 5)


@given(st.integers(0, 10**9) | st.none(), st.integers(1024, 96 * 1024) | st.none())
def test_an_address_is_read_as_it_was_written(after: int | None, most: int | None):
    uri = uris.OutputUri(container_id="c_" + "0" * 20, exec_id="x_" + "1" * 20, after=after, max_bytes=most)
    assert uris.parse(str(uri)) == uri


@given(st.text(max_size=60))
def test_whatever_an_address_holds_it_is_refused_with_a_reason(text: str):
    base = str(uris.OutputUri(container_id="c_" + "0" * 20, exec_id="x_" + "1" * 20))
    for address in (text, f"{base}?{text}", f"{base}{text}"):
        try:
            uris.parse(address)
        except (NotFound, ValidationFailed):
            continue
