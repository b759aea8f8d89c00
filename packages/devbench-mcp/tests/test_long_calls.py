"""Long calls of other tools than `run`, which are answered with a task too."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import attrs
import pytest
from mcp import Client, MCPError, types

import devbench_core
from devbench_core.containers.requests import SpawnRequest
from devbench_core.errors import ImageNotFound, StoreFailed, TaskNotFound
from devbench_core.execs import holds
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.image import Image
from devbench_core.model.shell import RunReason, Shell
from devbench_core.testing.fake import FakeBench
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks import records
from devbench_mcp.tasks.records import TaskRecord
from devbench_mcp.tasks.service import Tasks
from devbench_mcp.tasks.shell_runs import ShellRuns
from harness.mcp_program import Tools
from harness.mcp_resources import until
from harness.mcp_tasks import ask, begin, knowing_tasks, until_ended
from harness.toolbox import Serve

FOREVER = ["sh", "-c", "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 3"]


class SlowImages:
    """Holds the runtime's answer about an image back, as a pull does."""

    def __init__(self, fakes: FakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.asked, self.given_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.fails = False
        known = fakes.runtime.resolve_image

        async def resolve(name: str) -> Image:
            self.asked.set()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.given_up.set()
                raise
            if self.fails:
                raise ImageNotFound(f"no image {name!r}", hint="spell it otherwise")
            return await known(name)

        monkeypatch.setattr(fakes.runtime, "resolve_image", resolve)


@pytest.fixture
def images(fakes: FakeBench, monkeypatch: pytest.MonkeyPatch) -> SlowImages:
    return SlowImages(fakes, monkeypatch)


async def made(client: Client) -> tuple[Tools, str]:
    tools = Tools(client)
    return tools, (await tools("spawn"))["container"]["id"]


async def test_a_wait_for_a_command_becomes_a_task_and_ends_with_it(serve: Serve):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        started = (await tools("exec_start", container=container, argv=FOREVER))["exec"]["id"]
        created = await begin(client, "exec_wait", exec_id=started)
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "working"
        await tools("fs_write", container=container, path="go", text="")
        task = await until_ended(client.session, created.task_id)
        assert (task["status"], task["statusMessage"]) == (
            "completed",
            "the command ended: exited, exit code 3",
        )
        waited = task["result"]["structuredContent"]
        assert (waited["ended"], waited["exec"]["ending"]["exit_code"]) == (True, 3)


async def test_cancelling_a_wait_ends_the_wait_and_not_the_command(serve: Serve, bench: devbench_core.Bench):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        started = (await tools("exec_start", container=container, argv=FOREVER))["exec"]["id"]
        created = await begin(client, "exec_wait", exec_id=started)
        for _ in range(2):
            await ask(client.session, "tasks/cancel", created.task_id)
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "cancelled"
        assert (await bench.execs.get(started)).ending is None


async def test_a_call_that_would_wait_no_longer_anyway_is_answered_directly(serve: Serve):
    async with serve(task_slow_after_s=1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        started = (await tools("exec_start", container=container, argv=FOREVER))["exec"]["id"]
        for tool, arguments in (
            ("exec_wait", {"exec_id": started, "wait_s": 0.2}),
            (
                "shell_run",
                {
                    "shell_id": (await tools("shell_open", container=container))["shell"]["id"],
                    "script": "cat",
                    "interactive": True,
                    "wait_s": 0,
                },
            ),
        ):
            result = await client.session.call_tool(tool, arguments, allow_claimed=True)
            assert isinstance(result, types.CallToolResult)
            assert result.structured_content["ended"] is False


async def test_a_long_run_in_a_shell_becomes_a_task_with_its_own_output(serve: Serve):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        shell = (await tools("shell_open", container=container))["shell"]["id"]
        await tools("shell_run", shell_id=shell, script="echo before")
        script = "echo begun; until [ -e go ]; do sleep 0.02; done; cd /; echo done; (exit 4)"
        created = await begin(client, "shell_run", shell_id=shell, script=script)
        async with asyncio.timeout(10):
            while (await ask(client.session, "tasks/get", created.task_id))["statusMessage"] != "begun":
                await asyncio.sleep(0.02)
        await tools("fs_write", container=container, path="go", text="")
        task = await until_ended(client.session, created.task_id)
        assert (task["status"], task["statusMessage"]) == (
            "completed",
            "the script ended: exited, exit code 4",
        )
        ran = task["result"]["structuredContent"]
        assert (ran["ended"], ran["run"]["exit_code"], ran["cwd"]) == (True, 4, "/")
        assert "".join(piece["text"] for piece in ran["output"]) == "begun\ndone\n"
        for _ in range(20):  # more than a shell remembers
            await tools("shell_run", shell_id=shell, script="echo later")
        again = await ask(client.session, "tasks/get", created.task_id)
        assert again["result"]["structuredContent"]["output"] == ran["output"]


async def test_a_run_that_its_shell_forgot_before_anybody_asked_has_failed_and_says_why(serve: Serve):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        shell = (await tools("shell_open", container=container))["shell"]["id"]
        created = await begin(client, "shell_run", shell_id=shell, script="sleep 0.3")
        async with asyncio.timeout(20):
            while (await tools("shell_list", container=container))["shells"][0]["state"] != "idle":
                await asyncio.sleep(0.02)
        for _ in range(17):
            await tools("shell_run", shell_id=shell, script=":")
        task = await ask(client.session, "tasks/get", created.task_id)
        assert task["status"] == "failed"
        assert "shells.runs_kept" in task["error"]["message"]
        assert task["error"]["code"] == types.INTERNAL_ERROR


async def test_cancelling_the_task_of_a_run_keeps_the_shell(serve: Serve):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        shell = (await tools("shell_open", container=container))["shell"]["id"]
        created = await begin(client, "shell_run", shell_id=shell, script="x=kept; sleep 300")
        for _ in range(2):
            await ask(client.session, "tasks/cancel", created.task_id)
        assert (await until_ended(client.session, created.task_id))["status"] == "cancelled"
        ran = await tools("shell_run", shell_id=shell, script="echo $x")
        assert ran["output"][0]["text"] == "kept\n"
        await ask(client.session, "tasks/cancel", created.task_id)  # no later run is meant


async def test_cancelling_the_task_of_a_run_that_ends_meanwhile_ends_no_later_run(
    bench: devbench_core.Bench, monkeypatch: pytest.MonkeyPatch
):
    container = (await bench.containers.spawn(SpawnRequest())).container.id
    shell = await bench.shells.open(container)
    run = await bench.shells.run(shell.id, "sleep 300")
    task = TaskRecord(
        id="t_x",
        tenant=LOCAL.tenant,
        subject=LOCAL.subject,
        exec_id=shell.id,
        run=run.number,
        created_at=run.started_at,
    )
    while_it_ran = await bench.shells.get(shell.id)
    await bench.shells.cancel(shell.id)
    later = await bench.shells.run(shell.id, "read -r x", interactive=True)

    async def get(_shell_id: str, *, caller: Caller) -> Shell:
        assert caller == LOCAL
        return while_it_ran

    with monkeypatch.context() as patch:
        patch.setattr(bench.shells, "get", get)
        await ShellRuns(bench).cancel(task, LOCAL)
    await bench.shells.input(shell.id, b"it\n")
    page = await bench.shells.poll(shell.id, after=later.after, run=later.number, wait_s=10)
    assert page.run is not None
    assert page.run.reason is RunReason.EXITED


async def test_a_spawn_that_takes_long_becomes_a_task(serve: Serve, images: SlowImages):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        created = await begin(client, "spawn", alias="late")
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "working"
        images.go.set()
        task = await until_ended(client.session, created.task_id)
        assert (task["status"], task["statusMessage"]) == ("completed", "spawn is done")
        assert task["result"]["structuredContent"]["container"]["alias"] == "late"
        assert task["ttlMs"] >= 86_400_000
        again = await ask(client.session, "tasks/get", created.task_id)
        assert again == task


async def test_a_spawn_that_is_quick_is_answered_directly(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:
        result = await client.session.call_tool("spawn", {}, allow_claimed=True)
        assert isinstance(result, types.CallToolResult)


async def test_what_a_spawn_raises_late_is_the_result_of_its_call(serve: Serve, images: SlowImages):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        images.fails = True
        created = await begin(client, "spawn", image="nobody/has-it")
        images.go.set()
        task = await until_ended(client.session, created.task_id)
        assert task["status"] == "completed"
        assert task["result"]["isError"] is True
        assert task["result"]["structuredContent"]["error"]["code"] == "image_not_found"


async def test_cancelling_a_spawn_gives_it_up_and_leaves_nothing(
    serve: Serve, images: SlowImages, bench: devbench_core.Bench
):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        created = await begin(client, "spawn")
        for _ in range(2):
            await ask(client.session, "tasks/cancel", created.task_id)
        assert (await until_ended(client.session, created.task_id))["status"] == "cancelled"
        assert images.given_up.is_set()
        assert (await bench.containers.list()).containers == ()


async def test_another_host_asks_whose_spawn_it_is_to_give_it_up(
    serve: Serve, images: SlowImages, bench: devbench_core.Bench
):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        created = await begin(client, "spawn")
        other = Tasks(attrs.evolve(bench, instance="h_another"), McpSettings())
        (stored,) = [record async for record in records.every(bench.store)]
        view = await other.get(created.task_id, stored.owner, "2026-07-28")
        assert (view.status, view.message) == ("working", "spawn is under way on another host")
        await other.cancel(created.task_id, stored.owner)
        assert (await until_ended(client.session, created.task_id))["status"] == "cancelled"
        assert images.given_up.is_set()


async def test_the_spawn_of_a_host_that_ended_has_failed_and_never_hangs(
    serve: Serve, images: SlowImages, bench: devbench_core.Bench
):
    async with serve(task_slow_after_s=0.1) as served, knowing_tasks(served.url) as client:
        created = await begin(client, "spawn")
    async with serve() as served, knowing_tasks(served.url) as client:
        task = await ask(client.session, "tasks/get", created.task_id)
        assert task["status"] == "failed"
        assert "the host ended" in task["error"]["message"]
        assert task["statusMessage"] == task["error"]["message"]
        assert "result" not in task
        assert await ask(client.session, "tasks/get", created.task_id) == task
    assert images.given_up.is_set()
    assert (await bench.containers.list()).containers == ()


async def test_a_client_that_goes_before_its_answer_ends_its_spawn(
    serve: Serve, images: SlowImages, bench: devbench_core.Bench
):
    async with serve(task_slow_after_s=30) as served:
        async with knowing_tasks(served.url) as client:
            calling = asyncio.create_task(client.session.call_tool("spawn", {}, allow_claimed=True))
            await asyncio.wait_for(images.asked.wait(), 10)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        await asyncio.wait_for(images.given_up.wait(), 10)
        assert [record async for record in records.every(bench.store)] == []


async def test_who_does_not_know_tasks_waits_as_always(serve: Serve, images: SlowImages):
    async with serve(task_slow_after_s=0.1) as served, Client(served.url, mode="2026-07-28") as client:
        calling = asyncio.create_task(client.call_tool("spawn", {}))
        await asyncio.wait_for(images.asked.wait(), 10)
        images.go.set()
        assert not (await calling).is_error


async def test_no_task_promises_more_than_is_kept_and_its_command_is_held_until_then(
    serve: Serve, bench: devbench_core.Bench, monkeypatch: pytest.MonkeyPatch
):
    settings = bench.settings
    short = attrs.evolve(
        bench,
        settings=settings.model_copy(update={"execs": settings.execs.model_copy(update={"retain_s": 600.0})}),
    )
    async with serve() as served, knowing_tasks(served.url) as client:
        _, container = await made(client)
        created = await begin(client, "run", container=container, argv=["sleep", "0.2"])
        await until_ended(client.session, created.task_id)
        (stored,) = [record async for record in records.every(bench.store)]
        assert await holds.held(bench.store, container) == {stored.exec_id}
        tasks = Tasks(short, McpSettings())
        view = await tasks.get(created.task_id, stored.owner, "2026-07-28")
        assert view.ttl_ms is not None
        assert 600_000 <= view.ttl_ms < 660_000
        ends = stored.created_at + timedelta(milliseconds=view.ttl_ms + 1)
        monkeypatch.setattr("devbench_mcp.tasks.clock.now", lambda: ends)
        with pytest.raises(TaskNotFound):
            await tasks.get(created.task_id, stored.owner, "2026-07-28")
        await tasks.sweep()
        assert [record async for record in records.every(bench.store)] == []
        assert await holds.held(bench.store, container) == frozenset()


async def test_the_tasks_of_all_tools_are_invisible_to_others(serve: Serve, images: SlowImages):
    tokens: list[dict[str, Any]] = [
        {"token": f"{name}-token-0123456789", "tenant": "team", "subject": name} for name in ("one", "two")
    ]
    async with (
        serve(tokens=tokens, task_slow_after_s=0.1) as served,
        knowing_tasks(served.url, tokens[0]["token"]) as client,
        knowing_tasks(served.url, tokens[1]["token"]) as other,
    ):
        created = await begin(client, "spawn")
        for method in ("tasks/get", "tasks/cancel"):
            with pytest.raises(MCPError, match="no task"):
                await ask(other.session, method, created.task_id)
        assert not images.given_up.is_set()


@pytest.mark.parametrize("work", ["is under way", "has ended"])
async def test_a_host_ends_though_the_end_of_a_spawn_cannot_be_written_down(
    serve: Serve, images: SlowImages, fakes: FakeBench, caplog: pytest.LogCaptureFixture, work: str
):
    async with serve(task_slow_after_s=0.1) as served:
        async with knowing_tasks(served.url) as client:
            created = await begin(client, "spawn")
        for call in ("get", "apply"):
            fakes.store.faults.fail(call, StoreFailed("gone"), times=None)
        if work == "has ended":
            images.go.set()
            await until(lambda: "task.end_not_recorded" in caplog.text)
        served.stopping.set()
        async with asyncio.timeout(10):
            await served.stopped.wait()
        fakes.store.faults.clear()
    async with serve() as served, knowing_tasks(served.url) as client:
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "failed"
