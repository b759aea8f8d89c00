"""Tasks outlive the host that made them, on real runtimes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

from harness.mcp_program import PROGRAM, Tools, http_program
from harness.mcp_tasks import TasksExtension, ask, begin, knowing_tasks, listening_to_tasks, until_ended
from harness.registry import serving

Configure = Callable[..., Path]
WAITS = "echo before; while [ ! -e go ]; do sleep 0.05; done; echo after; exit 5"
TEAM, OTHER = "team-token-0123456789", "other-token-0123456789"


async def until_it_says(client: Client, task_id: str, message: str) -> None:
    async with asyncio.timeout(20):
        while (await ask(client.session, "tasks/get", task_id))["statusMessage"] != message:
            await asyncio.sleep(0.02)


async def test_the_result_of_a_task_comes_after_its_host_was_killed(configure: Configure):
    config = configure()
    async with http_program(config) as first, knowing_tasks(first.url) as client:
        container = (await Tools(client)("spawn", persistent=True))["container"]["id"]
        created = await begin(client, "run", container=container, argv=["sh", "-c", WAITS])
        await until_it_says(client, created.task_id, "before")
        first.process.kill()
        await first.process.wait()
    async with http_program(config) as second, knowing_tasks(second.url) as client:
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "working"
        await Tools(client)("fs_write", container=container, path="go", text="")
        task = await until_ended(client.session, created.task_id)
        assert task["status"] == "completed"
        result = task["result"]["structuredContent"]
        assert result["exec"]["ending"]["exit_code"] == 5
        assert "".join(piece["text"] for piece in result["output"]) == "before\nafter\n"
        await Tools(client)("kill", container=container)


async def test_a_task_of_a_killed_host_is_cancelled_through_the_next(configure: Configure):
    config = configure()
    async with http_program(config) as first, knowing_tasks(first.url) as client:
        container = (await Tools(client)("spawn", persistent=True))["container"]["id"]
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        first.process.kill()
        await first.process.wait()
    async with http_program(config) as second, knowing_tasks(second.url) as client:
        await ask(client.session, "tasks/cancel", created.task_id)
        assert (await until_ended(client.session, created.task_id))["status"] == "cancelled"
        assert (await Tools(client)("exec_list", container=container, running=True))["execs"] == []
        await Tools(client)("kill", container=container)


async def test_the_task_of_a_run_in_a_shell_survives_its_host(configure: Configure):
    config = configure(mcp={"task_slow_after_s": 0.2})
    async with http_program(config) as first, knowing_tasks(first.url) as client:
        tools = Tools(client)
        container = (await tools("spawn", persistent=True))["container"]["id"]
        shell = (await tools("shell_open", container=container))["shell"]["id"]
        script = "echo before; until [ -e go ]; do sleep 0.05; done; echo after; (exit 5)"
        created = await begin(client, "shell_run", shell_id=shell, script=script)
        await until_it_says(client, created.task_id, "before")
        first.process.kill()
        await first.process.wait()
    async with http_program(config) as second, knowing_tasks(second.url) as client:
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "working"
        async with listening_to_tasks(client, created.task_id) as heard:
            await Tools(client)("fs_write", container=container, path="go", text="")
            task = await heard.until(lambda each: each["status"] == "completed")
        result = task["result"]["structuredContent"]
        assert (result["run"]["exit_code"], result["run"]["shell_kept"]) == (5, True)
        assert "".join(piece["text"] for piece in result["output"]) == "before\nafter\n"
        await Tools(client)("kill", container=container)


@pytest.mark.parametrize("settings", ["docker"], indirect=True)
async def test_the_spawn_of_a_killed_host_has_failed(configure: Configure):
    with serving() as registry:
        registry.publish("tiny/slow", "1", os.urandom(100_000))
        registry.moving.clear()
        config = configure(images={"allow": ["*"], "pull_policy": "missing"}, mcp={"task_slow_after_s": 0.2})
        async with http_program(config) as first, knowing_tasks(first.url) as client:
            created = await begin(client, "spawn", image=f"{registry.host}/tiny/slow:1")
            assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "working"
            await asyncio.to_thread(registry.asked.wait, 20)
            first.process.kill()
            await first.process.wait()
        async with http_program(config) as second, knowing_tasks(second.url) as client:
            task = await ask(client.session, "tasks/get", created.task_id)
            assert task["status"] == "failed"
            assert "the host ended while spawn was under way" in task["error"]["message"]
            assert (await Tools(client)("list_containers"))["containers"] == []


@pytest.mark.parametrize("settings", ["docker"], indirect=True)
async def test_a_spawn_that_pulls_tells_how_far_it_is_and_is_cancelled_through_another_host(
    configure: Configure,
):
    with serving() as registry:
        registry.publish("tiny/slower", "1", os.urandom(100_000))
        registry.moving.clear()
        config = configure(images={"allow": ["*"], "pull_policy": "missing"}, mcp={"task_slow_after_s": 0.2})
        async with (
            http_program(config) as first,
            http_program(config) as second,
            knowing_tasks(first.url) as client,
            knowing_tasks(second.url) as other,
        ):
            created = await begin(client, "spawn", image=f"{registry.host}/tiny/slower:1")
            async with listening_to_tasks(client, created.task_id) as heard:
                await heard.until(lambda task: task["statusMessage"] != "spawn is under way")
                view = await ask(other.session, "tasks/get", created.task_id)
                assert (view["status"], view["statusMessage"]) == (
                    "working",
                    "spawn is under way on another host",
                )
                await ask(other.session, "tasks/cancel", created.task_id)
                await heard.until(lambda task: task["status"] == "cancelled")
            assert (await Tools(client)("list_containers"))["containers"] == []


async def test_tasks_work_over_stdio(configure: Configure):
    parameters = StdioServerParameters(
        command=str(PROGRAM), args=["--config", str(configure())], env=dict(os.environ)
    )
    async with Client(parameters, mode="2026-07-28", extensions=[TasksExtension()]) as client:
        tools = Tools(client)
        container = (await tools("spawn"))["container"]["id"]
        done = await tools("run", container=container, argv=["sh", "-c", "sleep 0.3; echo hi"])
        assert (done["ended"], done["output"][0]["text"]) == (True, "hi\n")
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        await ask(client.session, "tasks/cancel", created.task_id)
        assert (await until_ended(client.session, created.task_id))["status"] == "cancelled"


async def test_a_task_is_its_callers_alone(configure: Configure):
    config = configure()
    tokens = "".join(
        f'[[mcp.tokens]]\ntoken = "{token}"\ntenant = "team"\nsubject = "{subject}"\n'
        for token, subject in ((TEAM, "agent"), (OTHER, "other"))
    )
    config.write_text(f"{config.read_text(encoding='utf-8')}\n{tokens}", encoding="utf-8")
    async with (
        http_program(config) as program,
        knowing_tasks(program.url, TEAM) as owner,
        knowing_tasks(program.url, OTHER) as other,
    ):
        container = (await Tools(owner)("spawn"))["container"]["id"]
        created = await begin(owner, "run", container=container, argv=["sleep", "300"])
        for method in ("tasks/get", "tasks/cancel"):
            with pytest.raises(MCPError, match="no task"):
                await ask(other.session, method, created.task_id)
        assert (await ask(owner.session, "tasks/get", created.task_id))["status"] == "working"
