"""Whole workflows of an agent through MCP, on real runtimes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from harness.mcp_program import Address, Tools, http_program, over_http

Configure = Callable[..., Path]
Connect = Callable[[Path], AbstractAsyncContextManager[Tools]]


def text_of(page: dict[str, Any]) -> str:
    return "".join(piece["text"] for piece in page["output"])


async def spawned(tools: Tools, **arguments: Any) -> str:
    return str((await tools("spawn", **arguments))["container"]["id"])


async def test_an_agent_spawns_writes_runs_reads_and_kills(configure: Configure, connect: Connect):
    async with connect(configure()) as tools:
        container = await spawned(tools, alias="work")
        await tools("fs_write", container="work", path="src/hello.sh", text='echo "hello, $1"\n')
        page = await tools.run("work", "sh", "-c", "sh src/hello.sh world | tee out.txt")
        assert text_of(page) == "hello, world\n"
        assert page["ending"]["exit_code"] == 0
        read = await tools("fs_read", container=container, path="out.txt")
        assert read["text"] == "hello, world\n"
        killed = await tools("kill", container="work")
        assert killed["container"]["ending"]["reason"] == "killed"
        assert (await tools("list_containers"))["containers"] == []


async def test_an_agent_mends_a_failing_test(program: Address):
    async with over_http(program.url, "auto") as tools:
        container = await spawned(tools)
        await tools("fs_write", container=container, path="add.sh", text="echo $(($1 - $2))\n")
        check = 'test "$(sh add.sh 2 3)" = 5 || { echo "2 + 3 is not 5" >&2; exit 1; }'
        await tools("fs_write", container=container, path="check.sh", text=check)
        failed = await tools.run(container, "sh", "check.sh")
        assert failed["ending"]["exit_code"] == 1
        assert text_of(failed) == "2 + 3 is not 5\n"
        seen = await tools("fs_read", container=container, path="add.sh")
        mended = seen["text"].replace("-", "+")
        etag = seen["file"]["etag"]
        await tools("fs_write", container=container, path="add.sh", text=mended, if_match=etag)
        late = await tools.error("fs_write", container=container, path="add.sh", text="", if_match=etag)
        assert late["code"] == "file_conflict"
        assert (await tools.run(container, "sh", "check.sh"))["ending"]["exit_code"] == 0


async def test_a_command_outlives_the_client_that_started_it(program: Address):
    async with over_http(program.url, "legacy") as first:
        container = await spawned(first)
        script = "i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.05; done"
        started = await first("exec_start", container=container, argv=["sh", "-c", script])
        exec_id = started["exec"]["id"]
        page = await first("exec_poll", exec_id=exec_id, wait_s=10)
    async with over_http(program.url, "2026-07-28") as second:
        attached = await second("attach", container=container, client="second")
        assert [run["id"] for run in attached["execs"]] == [exec_id]
        rest = await second("exec_poll", exec_id=exec_id, after=page["cursor"], until="end", wait_s=30)
    assert text_of(page) + text_of(rest) == "".join(f"{number}\n" for number in range(40))
    assert rest["ending"]["exit_code"] == 0


async def test_a_call_whose_answer_was_lost_is_repeated_with_its_key(program: Address):
    async with over_http(program.url, "legacy") as first:
        container = await spawned(first)
        argv = ["sh", "-c", "echo ran >> count; cat count"]
        started = await first("exec_start", container=container, argv=argv, idempotency_key="k")
    async with over_http(program.url, "2026-07-28") as second:
        again = await second("run", container=container, argv=argv, idempotency_key="k")
        assert (started["replayed"], again["replayed"]) == (False, True)
        assert (again["exec"]["id"], text_of(again)) == (started["exec"]["id"], "ran\n")
        error = await second.error("run", container=container, argv=["true"], idempotency_key="k")
        assert error["code"] == "conflict"


async def test_giving_up_a_wait_leaves_the_command_running(program: Address, era: str):
    async with over_http(program.url, era) as tools:
        container = await spawned(tools)
        started = await tools("exec_start", container=container, argv=["sleep", "30"])
        async with asyncio.TaskGroup() as group:
            wait = group.create_task(tools("exec_wait", exec_id=started["exec"]["id"], wait_s=30))
            await asyncio.wait({wait}, timeout=0.3)
            wait.cancel()
        seen = await tools("exec_wait", exec_id=started["exec"]["id"], wait_s=0)
        assert seen["exec"]["state"] == "running"
        cancelled = await tools("exec_cancel", exec_id=started["exec"]["id"])
        assert cancelled["exec"]["ending"]["reason"] == "cancelled"


async def test_a_command_that_takes_too_long_is_ended_with_its_children(program: Address):
    async with over_http(program.url, "auto") as tools:
        container = await spawned(tools)
        page = await tools.run(container, "sh", "-c", "sleep 77 & sleep 77", timeout_s=0.5, grace_s=0.2)
        assert page["ending"]["reason"] == "timed_out"
        listing = await tools.run(container, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert "sleep 77" not in text_of(listing)


async def test_a_megabyte_of_output_arrives_exactly_in_pages_that_clients_accept(program: Address):
    async with over_http(program.url, "auto") as tools:
        container = await spawned(tools)
        line = r"""echo 'sixty-four bytes a line, with "quotes" and \ in it: 0123456789 é'"""
        script = f"i=0; while [ $i -lt 16384 ]; do {line}; i=$((i+1)); done"
        started = await tools("exec_start", container=container, argv=["sh", "-c", script])
        found, cursor, ended = b"", 0, False
        while not ended:
            page = await tools(
                "exec_poll", exec_id=started["exec"]["id"], after=cursor, max_bytes=98304, wait_s=10
            )
            for piece in page["output"]:
                assert piece["lost_bytes"] == 0
                found += base64.b64decode(piece["base64"]) if "base64" in piece else piece["text"].encode()
            cursor, ended = page["cursor"], page["ended"]
        lines = found.decode().splitlines()
        assert len(lines) == 16384
        assert len(set(lines)) == 1


async def test_binary_files_travel_exactly(program: Address):
    async with over_http(program.url, "auto") as tools:
        container = await spawned(tools)
        data = hashlib.shake_256(b"seed").digest(1_200_000)
        await tools("fs_write", container=container, path="blob", base64=base64.b64encode(data).decode())
        found, offset = b"", 0
        while offset is not None:
            piece = await tools("fs_read", container=container, path="blob", offset=offset, max_bytes=524288)
            found += base64.b64decode(piece["base64"])
            offset = piece.get("next_offset")
        assert found == data
        digest = await tools.run(container, "sh", "-c", "sha256sum blob")
        assert text_of(digest).split()[0] == hashlib.sha256(data).hexdigest()


async def test_many_callers_share_a_host(program: Address):
    async with over_http(program.url, "auto") as tools:
        containers = [await spawned(tools) for _ in range(2)]

        async def work(number: int) -> str:
            container = containers[number % 2]
            path = f"file-{number}"
            await tools("fs_write", container=container, path=path, text=str(number))
            return (await tools("fs_read", container=container, path=path))["text"]

        assert await asyncio.gather(*(work(number) for number in range(20))) == [str(n) for n in range(20)]


async def test_a_persistent_container_is_adopted_by_the_next_host(configure: Configure):
    config = configure()
    async with http_program(config) as program, over_http(program.url, "auto") as tools:
        container = await spawned(tools, persistent=True)
        await tools("fs_write", container=container, path="kept", text="kept")
        transient = await spawned(tools)
    async with http_program(config) as program, over_http(program.url, "auto") as tools:
        assert (await tools("fs_read", container=container, path="kept"))["text"] == "kept"
        gone = await tools("inspect", container=transient)
        assert gone["container"]["ending"]["by"] == "devbench"
        error = await tools.error("exec_start", container=transient, argv=["true"])
        assert error["code"] == "container_exited"
        await tools("kill", container=container)


async def test_errors_of_the_real_runtime_reach_the_agent_with_code_and_hint(program: Address):
    async with over_http(program.url, "auto") as tools:
        container = await spawned(tools)
        for tool, arguments, code in (
            ("fs_read", {"container": container, "path": "missing"}, "file_not_found"),
            ("fs_read", {"container": container, "path": "../etc/passwd"}, "path_outside_workspace"),
            ("exec_poll", {"exec_id": "x_00000000000000000000"}, "exec_not_found"),
            ("inspect", {"container": "nobody"}, "container_not_found"),
            ("spawn", {"policy": {"read_only_root": False}}, "validation"),
            ("exec_start", {"container": container, "argv": ["true"], "comand": 1}, "validation"),
        ):
            error = await tools.error(tool, **arguments)
            assert error["code"] == code, error
            assert error["message"]
        page = await tools.run(container, "no-such-program")
        assert page["ending"]["reason"] == "failed_to_start"
        assert page["ending"]["failure"] == "not_found"
