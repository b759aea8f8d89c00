"""Every error code is provoked for real, and says what happened, to what, and what to do."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import devbench_core
from devbench_core import errors
from devbench_core.containers import SpawnRequest
from devbench_core.containers.links import TOKEN_KIND
from devbench_core.contracts.store import Remove
from devbench_core.hookspecs import hookimpl
from devbench_core.model.caller import Caller
from devbench_core.model.event import Request, Veto
from devbench_core.model.execution import ExecRequest
from devbench_core.testing.fake import FakeClock
from devbench_core.tools.call import call_tool

ABSTRACT = {"not_found"}
ELSEWHERE = {
    "capability_not_enforced": "packages/devbench-core/tests/containers/test_spawn.py",
    "agent_gone": "packages/devbench-runtime-docker/tests/test_guests.py",
    "agent_misbehaved": "packages/devbench-core/tests/channel",
    "agent_outdated": "packages/devbench-core/tests/files",
    "archive_refused": "packages/devbench-core/tests/files/test_import.py",
    "dump_refused": "packages/devbench-core/tests/dumps/test_form.py",
    "edit_failed": "packages/devbench-core/tests/files/test_editing.py",
    "invalid_text": "packages/devbench-core/tests/tools/test_file_changes.py",
    "agent_silent": "packages/devbench-runtime-docker/tests/test_guests.py",
    "cancelled": "packages/devbench-core/tests/containers/test_spawn.py",
    "lease_lost": "tests/contract/lock",
    "lock_failed": "packages/devbench-lock-redis/tests/test_reaching.py",
    "plugin_incompatible": "packages/devbench-core/tests/compose/test_api_versions.py",
    "outcome_unknown": "packages/devbench-core/tests/forwarding",
    "shell_elsewhere": "packages/devbench-core/tests/shells/test_several_hosts.py",
    "stale_token": "tests/contract/store",
    "task_not_found": "packages/devbench-mcp/tests/test_tasks.py",
}


@attrs.frozen(kw_only=True)
class World:
    """What a provocation may use."""

    config: dict[str, Any]
    bench: devbench_core.Bench
    lab: str
    tmp: Path


class NoDeletes:
    """Refuses deletions."""

    @hookimpl
    def devbench_review(self, request: Request) -> Veto | None:
        """Refuse."""
        return (
            Veto(clause="keep", reason="nothing is deleted here")
            if request.operation == "file.delete"
            else None
        )


async def reopened(world: World, **values: Any) -> None:
    """Open a second bench with other settings, and spawn in it."""
    config = {**world.config, "state_dir": str(world.tmp / "other"), **values}
    async with devbench_core.open(config) as bench:
        await bench.containers.spawn(SpawnRequest())


async def one_more(world: World) -> None:
    config = {**world.config, "state_dir": str(world.tmp / "other"), "containers": {"per_tenant_max": 1}}
    async with devbench_core.open(config) as bench:
        await bench.containers.spawn(SpawnRequest())
        await bench.containers.spawn(SpawnRequest())


async def conflict(world: World) -> None:
    await world.bench.containers.spawn(SpawnRequest(alias="one"))
    await world.bench.containers.spawn(SpawnRequest(alias="one"))


async def exited(world: World) -> None:
    await world.bench.containers.kill(world.lab)
    await world.bench.files.stat(world.lab, ".")


async def crowded(world: World) -> None:
    for _ in range(5):
        await world.bench.execs.start(world.lab, ExecRequest(argv=("sleep", "60")))


async def no_input(world: World) -> None:
    started = await world.bench.execs.start(world.lab, ExecRequest(argv=("sleep", "60")))
    await world.bench.execs.write_input(started.id, b"x")


async def busy_shell(world: World) -> None:
    shell = await world.bench.shells.open(world.lab)
    for _ in range(2):
        await world.bench.shells.run(shell.id, "sleep 60")


async def closed_shell(world: World) -> None:
    shell = await world.bench.shells.open(world.lab)
    await world.bench.shells.close(shell.id)
    await world.bench.shells.run(shell.id, "true")


async def idle_shell(world: World) -> None:
    shell = await world.bench.shells.open(world.lab)
    await world.bench.shells.input(shell.id, b"x")


async def purged(world: World) -> None:
    started = await world.bench.execs.start(world.lab, ExecRequest(argv=("true",)))
    await world.bench.execs.wait(started.id, wait_s=20)
    later = FakeClock()
    later.pass_s(8 * 86400)
    async with devbench_core.open(world.config, clock=later, serving=False) as bench:
        await bench.execs.sweep()
        await bench.execs.get(started.id)


async def stale(world: World) -> None:
    await world.bench.files.write(world.lab, "f", b"1", if_match="0" * 32)


async def no_text(world: World) -> None:
    await world.bench.files.write(world.lab, "no-text", b"\xff")
    await world.bench.files.read(world.lab, "no-text", encoding="utf-8")


async def misfit(world: World) -> None:
    await world.bench.files.write(world.lab, "text", b"text")
    await world.bench.files.edit(world.lab, "text", diff="@@ -1 +1 @@\n-test\n+tests\n")


async def stale_after_write(world: World) -> None:
    await world.bench.files.write(world.lab, "f", b"1")
    await stale(world)


async def token_gone(world: World) -> None:
    other = (await world.bench.containers.spawn(SpawnRequest(persistent=True))).container
    await world.bench.store.apply(Remove(kind=TOKEN_KIND, key=other.id))
    try:
        async with devbench_core.open(world.config, serving=False) as second:
            await second.files.stat(other.id, ".")
    finally:
        await world.bench.containers.kill(other.id)  # it is persistent: nothing else would end it


async def damaged(world: World) -> None:
    folder = world.tmp / "damaged"
    folder.mkdir()
    (folder / "devbench.db").write_bytes(b"this is no database" * 1000)
    await reopened(world, state_dir=str(folder))


async def vetoed(world: World) -> None:
    async with devbench_core.open(world.config, plugins=[NoDeletes()], serving=False) as bench:
        await bench.files.delete(world.lab, "f")


async def unscoped(world: World) -> None:
    await call_tool(world.bench, "kill", {"container": world.lab}, caller=Caller(scopes=frozenset({"read"})))


async def engine_silent(world: World) -> None:
    table = {"docker": {"host": f"unix://{world.tmp}/nobody.sock"}}
    await reopened(
        world, runtime="docker", plugin=table, startup={"engine_wait_s": 0, "engine_silent": "fail"}
    )


async def too_many_cores(world: World) -> None:
    await reopened(world, policy={"cpus": 100000.0, "max_cpus": None})


async def unreachable_registry(world: World) -> None:
    await reopened(world, images={"default": "127.0.0.1:1/nothing:here", "pull_policy": "always"})


async def too_slow(world: World) -> None:
    await reopened(world, containers={"spawn_timeout_s": 0.001})


Provoke = Callable[[World], Awaitable[object]]
TABLE: dict[str, Provoke] = {
    "validation": lambda w: w.bench.containers.spawn(SpawnRequest(alias="")),
    "container_not_found": lambda w: w.bench.containers.get("nobody"),
    "exec_not_found": lambda w: w.bench.execs.get("x_" + "0" * 20),
    "exec_purged": purged,
    "input_unavailable": no_input,
    "shell_not_found": lambda w: w.bench.shells.get("x_" + "0" * 20),
    "shell_busy": busy_shell,
    "shell_ended": closed_shell,
    "shell_idle": idle_shell,
    "image_not_found": lambda w: w.bench.containers.spawn(SpawnRequest(image="no-such-image")),
    "file_not_found": lambda w: w.bench.files.read(w.lab, "nothing"),
    "plugin_not_found": lambda w: call_tool(w.bench, "no_such_tool", {}),
    "conflict": conflict,
    "file_conflict": stale_after_write,
    "image_refused": lambda w: reopened(w, images={**w.config["images"], "allow": ["only/this:*"]}),
    "container_exited": exited,
    "concurrency_limit": crowded,
    "quota_exceeded": one_more,
    "timeout": too_slow,
    "path_outside_workspace": lambda w: w.bench.files.read(w.lab, "../x"),
    "too_large": lambda w: w.bench.files.write(w.lab, "big", bytes(65 * 1024 * 1024)),
    "file_failed": lambda w: w.bench.files.read(w.lab, "."),
    "invalid_text": no_text,
    "edit_failed": misfit,
    "agent_unavailable": token_gone,
    "store_failed": damaged,
    "unauthorised": unscoped,
    "vetoed": vetoed,
    "engine_unreachable": engine_silent,
    "configuration_invalid": lambda w: reopened(w, nonsense=1),
    "composition_failed": lambda w: reopened(w, runtime="nonsense"),
}
DOCKER_ONLY: dict[str, Provoke] = {
    "engine_failed": too_many_cores,
    "image_pull_failed": unreachable_registry,
}


@pytest.mark.parametrize("code", [*TABLE, *DOCKER_ONLY])
async def test_an_error_is_provoked_with_its_code(
    code: str, config: dict[str, Any], bench: devbench_core.Bench, lab: str, tmp_path: Path
):
    if code in DOCKER_ONLY and config["runtime"] != "docker":
        return  # only this engine can
    world = World(config=config, bench=bench, lab=lab, tmp=tmp_path)
    with pytest.raises(errors.DevbenchError) as caught:
        await {**TABLE, **DOCKER_ONLY}[code](world)
    assert caught.value.code == code, caught.value
    assert caught.value.message


def test_every_code_is_provoked_somewhere():
    codes = {
        error.code
        for _, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, errors.DevbenchError) and error is not errors.DevbenchError
    }
    assert codes == {*TABLE, *DOCKER_ONLY, *ELSEWHERE} | ABSTRACT
