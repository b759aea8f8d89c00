"""Watching through a real agent."""

import asyncio
from pathlib import PurePosixPath

import attrs
import pytest

from devbench_core.channel.settings import ChannelLimits
from devbench_core.errors import AgentOutdated, FileMissing, PathOutside, ValidationFailed, Vetoed
from devbench_core.files.settings import FileLimits
from devbench_core.model.change import ChangeKind, FileChange
from devbench_core.model.event import Veto
from devbench_core.model.file import FileType
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host

CREATED, MODIFIED, DELETED, MOVED = ChangeKind


def of(kind: ChangeKind, path: str, *, folder: bool = False, origin: str | None = None) -> FileChange:
    return FileChange(
        kind=kind,
        path=PurePosixPath("/workspace") / path,
        type=FileType.DIRECTORY if folder else FileType.FILE,
        origin=None if origin is None else PurePosixPath("/workspace") / origin,
    )


async def test_the_first_call_gives_a_cursor_and_the_next_ones_what_changed_since(
    host: Host, local_agent: LocalAgent
):
    first = await host.files.changes(C)
    assert (first.changes, first.rescan, first.partial) == ((), False, False)
    (local_agent.workspace / "d").mkdir()
    await host.files.write(C, "d/f", b"x")
    seen: list[FileChange] = []
    cursor = first.cursor
    while of(CREATED, "d/f") not in seen:
        page = await host.files.changes(C, cursor=cursor, wait_s=10)
        assert page.changes, "nothing within the wait"
        seen += page.changes
        cursor = page.cursor
    assert seen == [of(CREATED, "d", folder=True), of(CREATED, "d/f")]
    assert (await host.files.changes(C, cursor=cursor)).changes == ()


async def test_a_wait_is_woken_by_the_change(host: Host, local_agent: LocalAgent):
    cursor = (await host.files.changes(C)).cursor
    waiting = asyncio.create_task(host.files.changes(C, cursor=cursor, wait_s=30))
    await host.files.changes(C)  # the agent has both by now
    (local_agent.workspace / "new").mkdir()
    assert (await asyncio.wait_for(waiting, 10)).changes == (of(CREATED, "new", folder=True),)


async def test_a_watch_goes_on_through_another_host_that_has_its_cursor(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as first:
        cursor = (await first.files.changes(C)).cursor
    (local_agent.workspace / "meanwhile").mkdir()
    async with open_host(local_agent.connect, local_agent.token, instance="i_second") as second:
        page = await second.files.changes(C, cursor=cursor, wait_s=10)
        assert page.changes == (of(CREATED, "meanwhile", folder=True),)


async def test_whoever_comes_with_an_unknown_cursor_is_told_to_look_anew(host: Host):
    page = await host.files.changes(C, cursor="00000000000000ff-3")
    assert (page.changes, page.rescan) == ((), True)
    again = await host.files.changes(C, cursor=page.cursor)
    assert (again.changes, again.rescan) == ((), False)


async def test_the_iteration_begins_with_its_cursor_and_gives_changes(host: Host, local_agent: LocalAgent):
    watch = host.files.watch(C, "d")
    (local_agent.workspace / "d").mkdir()
    first = await anext(watch)
    assert first.changes == ()
    (local_agent.workspace / "d/f").write_text("x")
    assert of(CREATED, "d/f") in (await asyncio.wait_for(anext(watch), 10)).changes
    (local_agent.workspace / "d/f").rename(local_agent.workspace / "d/g")
    seen: list[FileChange] = []
    while of(MOVED, "d/g", origin="d/f") not in seen:
        seen += (await asyncio.wait_for(anext(watch), 10)).changes
    await watch.aclose()


async def test_a_single_file_is_told_of_under_its_own_path(host: Host, local_agent: LocalAgent):
    await host.files.write(C, "a/f", b"1", parents=True)
    cursor = (await host.files.changes(C, "a/f")).cursor
    (local_agent.workspace / "a/other").write_text("x")
    await host.files.write(C, "a/f", b"2")
    page = await host.files.changes(C, "a/f", cursor=cursor, wait_s=10)
    assert page.changes == (of(MODIFIED, "a/f"),)
    await host.files.delete(C, "a/f")
    page = await host.files.changes(C, "a/f", cursor=page.cursor, wait_s=10)
    assert page.changes == (of(DELETED, "a/f"),)


async def test_waits_longer_than_a_request_are_made_of_several(local_agent: LocalAgent):
    limits = ChannelLimits(request_timeout_s=0.4)
    async with open_host(local_agent.connect, local_agent.token, channel_limits=limits) as host:
        cursor = (await host.files.changes(C)).cursor
        waiting = asyncio.create_task(host.files.changes(C, cursor=cursor, wait_s=30))
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        assert not done, "it outlives the time of one request"
        (local_agent.workspace / "x").mkdir()
        assert (await asyncio.wait_for(waiting, 10)).changes


async def test_bad_input_names_the_field_and_a_veto_holds(local_agent: LocalAgent):
    limits = FileLimits(watch_max_changes=5)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        for field, bad in (("cursor", "x"), ("limit", 6), ("limit", 0), ("wait_s", -1)):
            with pytest.raises(ValidationFailed, match=field):
                await host.files.changes(C, **{field: bad})  # pyright: ignore[reportArgumentType] - wrong on purpose
        with pytest.raises(FileMissing):
            await host.files.changes(C, "absent")
        with pytest.raises(PathOutside):
            await host.files.changes(C, "../x")
        host.veto = Veto(clause="quiet", reason="no watching")
        with pytest.raises(Vetoed):
            await host.files.changes(C)


async def test_an_agent_of_an_earlier_time_says_what_it_cannot_do(
    host: Host, monkeypatch: pytest.MonkeyPatch
):
    channel = await host.link.channel()
    monkeypatch.setattr(channel, "agent", attrs.evolve(channel.agent, features=frozenset({"openat2"})))
    with pytest.raises(AgentOutdated, match="watching") as error:
        await host.files.changes(C)
    assert error.value.code == "agent_outdated"
    assert "spawn a new container" in error.value.hint
