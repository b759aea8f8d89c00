"""The tools on real agents."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import devbench_core
from devbench_core.errors import (
    ContainerExited,
    ContainerNotFound,
    EngineUnreachable,
    FileConflict,
    FileMissing,
    PathOutside,
    TextInvalid,
    ValidationFailed,
)
from devbench_core.model.execution import Chunk, ExecReason, Page, StreamName
from devbench_core.tools.base import TEXT_MAX_BYTES
from devbench_core.tools.call import call_tool
from devbench_core.tools.catalogue import TOOLS
from devbench_core.tools.execs import CHUNKS_MAX
from devbench_core.tools.progress import OutputReporter

Call = Callable[..., Awaitable[dict[str, Any]]]


async def run(call: Call, container: str, *argv: str, **more: Any) -> str:
    started = await call("exec_start", container=container, argv=list(argv), **more)
    return str(started["exec"]["id"])


async def finished(call: Call, exec_id: str) -> dict[str, Any]:
    return await call("exec_poll", exec_id=exec_id, until="end", wait_s=30)


def text_of(page: dict[str, Any]) -> str:
    return "".join(piece["text"] for piece in page["output"])


async def test_a_short_command_takes_two_calls(call: Call, container: str):
    page = await finished(call, await run(call, container, "sh", "-c", "echo one; sleep 0.2; echo two"))
    assert text_of(page) == "one\ntwo\n"
    assert page["ended"] is True
    assert page["ending"]["exit_code"] == 0


async def test_both_outputs_keep_their_names(call: Call, container: str):
    page = await finished(call, await run(call, container, "sh", "-c", "echo out; echo err >&2; exit 3"))
    assert {piece["stream"]: piece["text"] for piece in page["output"]} == {
        "stdout": "out\n",
        "stderr": "err\n",
    }
    assert page["ending"]["exit_code"] == 3


async def test_bytes_that_are_no_text_come_as_base64(call: Call, container: str):
    page = await finished(call, await run(call, container, "printf", "\\377\\000"))
    assert page["output"] == [
        {"stream": "stdout", "encoding": "base64", "base64": "/wA=", "lost_bytes": 0},
    ]


async def test_stdin_is_given_as_text_or_as_base64(call: Call, container: str):
    page = await finished(call, await run(call, container, "cat", stdin="é"))
    assert text_of(page) == "é"
    page = await finished(call, await run(call, container, "cat", stdin_base64="/w=="))
    assert page["output"][0]["base64"] == "/w=="


async def test_pages_joined_by_their_cursors_are_the_whole_output(call: Call, container: str):
    exec_id = await run(
        call, container, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i é; i=$((i+1)); done"
    )
    found, cursor, ended = b"", 0, False
    while not ended:
        page = await call("exec_poll", exec_id=exec_id, after=cursor, max_bytes=TEXT_MAX_BYTES, wait_s=10)
        for piece in page["output"]:
            found += base64.b64decode(piece["base64"]) if "base64" in piece else piece["text"].encode()
        cursor, ended = page["cursor"], page["ended"]
    assert found == b"".join(f"line {number} é\n".encode() for number in range(20000))


async def test_giving_up_a_wait_does_not_end_the_command(
    bench: devbench_core.Bench, call: Call, container: str
):
    exec_id = await run(call, container, "sh", "-c", "read line; echo $line", timeout_s=60)
    exec_id = await run(call, container, "sleep", "0.5")
    for tool in ("exec_wait", "exec_poll"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call_tool(bench, tool, {"exec_id": exec_id, "wait_s": 30})
    page = await finished(call, exec_id)
    assert page["ending"]["reason"] == "exited"


async def test_a_wait_that_is_over_says_that_the_command_still_runs(call: Call, container: str):
    exec_id = await run(call, container, "sleep", "60")
    waited = await call("exec_wait", exec_id=exec_id, wait_s=0.05)
    assert waited["ended"] is False
    assert waited["exec"]["state"] == "running"
    cancelled = await call("exec_cancel", exec_id=exec_id)
    assert cancelled["exec"]["ending"]["reason"] == "cancelled"
    assert (await call("exec_cancel", exec_id=exec_id))["exec"]["ending"] == cancelled["exec"]["ending"]
    assert (await call("exec_wait", exec_id=exec_id))["ended"] is True


async def test_commands_are_listed_and_signalled(call: Call, container: str):
    first = await run(call, container, "sh", "-c", "exit 3")
    await call("exec_wait", exec_id=first)
    second = await run(call, container, "sleep", "60")
    listed = await call("exec_list", container=container)
    assert [each["id"] for each in listed["execs"]][-2:] == [first, second]
    newest = await call("exec_list", container=container, limit=1)
    assert ([each["id"] for each in newest["execs"]], newest["truncated"]) == ([second], True)
    running = await call("exec_list", container=container, running=True)
    assert second in [each["id"] for each in running["execs"]]
    assert first not in [each["id"] for each in running["execs"]]
    assert await call("exec_signal", exec_id=second, signal="TERM", scope="leader") == {"sent": True}
    ending = (await call("exec_wait", exec_id=second))["exec"]["ending"]
    assert (ending["reason"], ending["signal"]) == ("signaled", 15)
    assert await call("exec_signal", exec_id=second, signal="TERM") == {"sent": False}


async def test_limits_and_left_processes_are_as_asked(call: Call, container: str):
    started = await call(
        "exec_start",
        container=container,
        argv=["sh", "-c", "ulimit -n; sleep 60 &"],
        limits={"nofile": 99},
        leftovers="end",
    )
    page = await call("exec_poll", exec_id=started["exec"]["id"], until="end", wait_s=20)
    assert "".join(piece["text"] for piece in page["output"]).strip() == "99"
    assert page["ending"]["message"] == ""


async def test_a_long_wait_reports_progress(
    bench: devbench_core.Bench, call: Call, container: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("OUTPUT_EVERY_S", "QUIET_EVERY_S"):
        monkeypatch.setattr(f"devbench_core.tools.execs.{name}", 0.05)
    exec_id = await run(call, container, "sleep", "60")
    reports: list[tuple[float, float | None]] = []

    async def sink(done: float, total: float | None, _message: str) -> None:
        reports.append((done, total))

    for tool in ("exec_wait", "exec_poll"):
        await call_tool(bench, tool, {"exec_id": exec_id, "wait_s": 0.6}, progress=sink)
    assert len(reports) >= 2
    assert all(total == 0.6 and 0 < done <= 0.6 for done, total in reports)


async def test_what_is_told_in_the_last_moment_of_a_wait_is_no_more_than_the_whole():
    reports: list[tuple[float, float | None]] = []

    async def sink(done: float, total: float | None, _message: str) -> None:
        reports.append((done, total))

    await OutputReporter(sink, begun=time.monotonic() - 3, wait_s=2).say("late")
    assert reports == [(2, 2)]


async def test_a_page_of_many_tiny_pieces_is_cut_and_goes_on(
    bench: devbench_core.Bench, call: Call, monkeypatch: pytest.MonkeyPatch
):
    chunks = tuple(
        Chunk(seq=number, stream=StreamName(1 + number % 2), data=b"x")
        for number in range(1, CHUNKS_MAX + 11)
    )

    async def poll(_self: object, _exec_id: str, **more: Any) -> Page:
        rest = tuple(chunk for chunk in chunks if chunk.seq > more["after"])
        return Page(chunks=rest, cursor=chunks[-1].seq)

    monkeypatch.setattr(type(bench.execs), "poll", poll)
    first = await call("exec_poll", exec_id="x_1")
    assert (len(first["output"]), first["cursor"]) == (CHUNKS_MAX, CHUNKS_MAX)
    second = await call("exec_poll", exec_id="x_1", after=first["cursor"])
    assert (len(second["output"]), second["cursor"]) == (10, CHUNKS_MAX + 10)


async def test_a_file_is_changed_only_if_nobody_else_did(call: Call, container: str):
    first = await call("fs_write", container=container, path="notes/a.txt", text="one", create_only=True)
    assert first["created"] is True
    read = await call("fs_read", container=container, path="notes/a.txt")
    assert read["file"]["etag"] == first["file"]["etag"]
    second = await call(
        "fs_write", container=container, path="notes/a.txt", text="two", if_match=read["file"]["etag"]
    )
    with pytest.raises(FileConflict) as caught:
        await call(
            "fs_write", container=container, path="notes/a.txt", text="3", if_match=read["file"]["etag"]
        )
    assert caught.value.details["etag"] == second["file"]["etag"]
    with pytest.raises(FileConflict):
        await call("fs_write", container=container, path="notes/a.txt", text="3", create_only=True)
    stat = await call("fs_stat", container=container, path="/workspace/notes/a.txt")
    assert stat["file"] == second["file"]


async def test_a_file_needs_a_content_and_one_condition(call: Call, container: str):
    with pytest.raises(ValidationFailed, match="text: is missing"):
        await call("fs_write", container=container, path="a")
    with pytest.raises(ValidationFailed, match="exclude each other"):
        await call("fs_write", container=container, path="a", text="", create_only=True, if_match="e")


async def test_a_mode_is_octal(call: Call, container: str):
    written = await call("fs_write", container=container, path="run.sh", text="#!/bin/sh\n", mode="755")
    assert written["file"]["mode"] == "0755"


async def test_reading_chooses_text_or_base64(call: Call, container: str):
    await call("fs_write", container=container, path="b", base64="AP8=")
    assert (await call("fs_read", container=container, path="b"))["base64"] == "AP8="
    with pytest.raises(TextInvalid, match="no utf-8 text at byte 1"):
        await call("fs_read", container=container, path="b", encoding="utf-8")
    await call("fs_write", container=container, path="t", text="text")
    assert (await call("fs_read", container=container, path="t", encoding="base64"))["base64"] == "dGV4dA=="


async def test_text_is_read_in_pieces_that_never_cut_a_character(call: Call, container: str):
    content = "aé€😀" * 20000
    await call("fs_write", container=container, path="long.txt", text=content)
    found, offset, pieces = "", 0, 0
    while offset is not None:
        piece = await call("fs_read", container=container, path="long.txt", offset=offset)
        found += piece["text"]
        offset = piece.get("next_offset")
        pieces += 1
    assert found == content
    assert pieces == 3


async def test_a_folder_is_listed_in_pages(call: Call, container: str):
    for name in "abc":
        await call("fs_write", container=container, path=f"d/{name}", text=name)
    first = await call("fs_list", container=container, path="d", limit=2)
    second = await call("fs_list", container=container, path="d", limit=2, after=first["cursor"])
    names = [entry["path"].rpartition("/")[2] for page in (first, second) for entry in page["entries"]]
    assert names == ["a", "b", "c"]
    assert second["cursor"] == ""


async def test_a_deleted_file_is_missing(call: Call, container: str):
    await call("fs_write", container=container, path="d/x", text="x")
    assert (await call("fs_delete", container=container, path="d", recursive=True)) == {"path": "d"}
    with pytest.raises(FileMissing):
        await call("fs_stat", container=container, path="d/x")


async def test_a_spawn_is_replayed_by_its_key(call: Call):
    first = await call("spawn", idempotency_key="k", labels={"job": "7"}, alias="seven")
    again = await call("spawn", idempotency_key="k", labels={"job": "7"}, alias="seven")
    assert again["replayed"] is True
    assert again["container"]["id"] == first["container"]["id"]
    listed = await call("list_containers", labels={"job": "7"})
    assert [found["id"] for found in listed["containers"]] == [first["container"]["id"]]


async def test_a_client_that_comes_back_is_told_what_runs(call: Call, container: str):
    exec_id = await run(call, container, "sleep", "60")
    attached = await call("attach", container=container, client="agent", session="2")
    assert [found["id"] for found in attached["execs"]] == [exec_id]
    assert attached["workspace"] == "/workspace"
    inspected = await call("inspect", container=container)
    assert [found["id"] for found in inspected["execs"]] == [exec_id]
    assert inspected["observed"]["status"] == "running"


async def test_values_of_variables_are_never_shown(call: Call):
    spawned = await call("spawn", env={"API_KEY": "hunter2"})
    shown = await call("inspect", container=spawned["container"]["id"])
    assert shown["env_names"] == ["API_KEY"]
    assert "hunter2" not in str(shown) + str(spawned)


async def test_a_killed_container_says_why_and_by_whom(call: Call, container: str):
    killed = await call("kill", container=container)
    assert killed["container"]["ending"]["reason"] == "killed"
    assert (await call("kill", container=container)) == killed
    shown = await call("inspect", container=container)
    assert shown["container"]["ending"]["by"] == "local"
    assert "observed" not in shown
    with pytest.raises(ContainerExited):
        await call("exec_start", container=container, argv=["true"])
    ended = await call("list_containers", include_ended=True)
    assert [found["id"] for found in ended["containers"]] == [container]
    assert (await call("list_containers"))["containers"] == []


async def test_nobodys_container_is_not_found(call: Call):
    for tool in ("attach", "inspect", "kill"):
        with pytest.raises(ContainerNotFound):
            await call(tool, container="nobody")


async def test_status_says_what_is_there_and_what_is_not_enforced(call: Call, container: str):
    status = await call("status")
    assert status["runtime"]["name"] == "fake"
    assert status["runtime"]["answers"] is True
    assert {clause["clause"] for clause in status["runtime"]["absent"]} >= {"seccomp", "memory"}
    assert status["counts"]["containers"] == 1
    assert len(status["tools"]) == len(TOOLS)


async def test_status_says_when_the_engine_is_silent(bench: devbench_core.Bench, call: Call):
    async def silent() -> None:
        raise EngineUnreachable("nobody answers")

    bench.runtime.ping = silent  # type: ignore[method-assign]
    status = await call("status")
    assert status["runtime"]["answers"] is False
    assert status["runtime"]["problem"] == "nobody answers"


async def test_images_are_filtered_and_bounded(call: Call):
    assert [image["name"] for image in (await call("images", contains="host"))["images"]] == ["host"]
    assert (await call("images", contains="nothing"))["images"] == []


def test_the_reasons_that_are_described_are_those_that_exist():
    from devbench_core.tools.exec_views import ExecEndingView

    described = ExecEndingView.model_fields["reason"].description or ""
    for reason in ExecReason:
        assert reason in described


async def test_a_directory_is_made_for_a_command_only_when_that_is_asked_for(call: Call, container: str):
    arguments = {"container": container, "argv": ["sh", "-c", "echo x > file"], "cwd": "new/deep"}
    missing = await call("run", **arguments)
    assert missing["exec"]["ending"]["failure"] == "bad_directory"
    made = await call("run", **arguments, create_cwd=True)
    assert made["exec"]["ending"]["exit_code"] == 0
    assert (await call("fs_read", container=container, path="new/deep/file"))["text"] == "x\n"
    with pytest.raises(PathOutside, match="/opt/new"):
        await call("exec_start", container=container, argv=["true"], cwd="/opt/new", create_cwd=True)


async def test_a_command_for_another_user_is_refused_by_name(call: Call, container: str):
    for tool in ("run", "exec_start"):
        with pytest.raises(ValidationFailed, match="none can run as 4242:4242"):
            await call(tool, container=container, argv=["true"], user="4242:4242")
