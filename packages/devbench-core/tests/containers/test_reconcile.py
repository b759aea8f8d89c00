"""Restarts, crashes and silence."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import attrs
import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.containers.orphans import Orphans
from devbench_core.contracts.runtime import LABEL_CONTAINER, LABEL_INSTALLATION, AgentProgram, CreateRequest
from devbench_core.errors import EngineFailed, EngineUnreachable
from devbench_core.model.container import EndReason, Observed, Status
from devbench_core.model.execution import ExecReason, ExecRequest
from devbench_core.model.policy import Policy
from devbench_core.testing.fake import FakeClock, FakeRuntime
from devbench_core.testing.fake.bench import LOOSE, Opener

STEPS = (
    "before create",
    "after create",
    "before start",
    "after start",
    "before connect",
    "after connect",
    "after spawn",
)

HOST = """
import asyncio, os, signal, sys
from pathlib import Path, PurePosixPath
import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.model.policy import Policy
from devbench_core.testing.fake import FakePlugin, FakeRuntime

step, root, config = sys.argv[1], Path(sys.argv[2]), __import__("json").loads(sys.argv[3])

def die(here):
    if here == step:
        os.kill(os.getpid(), signal.SIGKILL)

def deadly(name):
    method = getattr(FakeRuntime, name)
    async def call(self, *args, **kwargs):
        die(f"before {name}")
        result = await method(self, *args, **kwargs)
        die(f"after {name}")
        return result
    return call

for name in ("create", "start", "connect"):
    setattr(FakeRuntime, name, deadly(name))

async def main():
    async with devbench_core.open(config, plugins=[FakePlugin(root)]) as bench:
        await bench.containers.spawn(SpawnRequest(alias="lab", idempotency_key="k", persistent=True))
        die("after spawn")

asyncio.run(main())
"""


def config_of(tmp_path: Path) -> dict[str, object]:
    return {
        "plugins": ["sql"],
        "runtime": "fake",
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "policy": LOOSE,
    }


@pytest.mark.parametrize("step", STEPS)
async def test_a_host_killed_at_any_step_of_a_spawn_leaves_one_container_or_none(
    step: str, tmp_path: Path, opener: Opener, runtime: FakeRuntime
):
    root = tmp_path / "containers"
    command = [sys.executable, "-c", HOST, step, str(root), json.dumps(config_of(tmp_path))]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    async with opener() as bench:
        request = SpawnRequest(alias="lab", idempotency_key="k", persistent=True)
        spawned = await bench.containers.spawn(request)
        assert spawned.replayed == (step == "after spawn")
        observed = [o.container_id async for o in runtime.list(bench.installation)]
        assert observed == [spawned.container.id]
        run = await bench.execs.start("lab", ExecRequest(argv=("true",)))
        done_exec = await bench.execs.wait(run.id, wait_s=10)
        assert done_exec.ending is not None
        assert done_exec.ending.exit_code == 0
        await bench.containers.kill("lab")
        assert [o async for o in runtime.list(bench.installation)] == []


async def test_a_container_recorded_but_gone_gets_its_ending_at_the_next_start(
    opener: Opener, runtime: FakeRuntime
):
    async with opener() as bench:
        spawned = await bench.containers.spawn(SpawnRequest(alias="lab", persistent=True))
    await runtime.remove(spawned.container.ref)
    async with opener() as bench:
        found = await bench.containers.get(spawned.container.id)
        assert found.ending is not None
        assert found.ending.reason is EndReason.LOST
        await bench.containers.spawn(SpawnRequest(alias="lab"))


async def test_a_command_that_ran_through_a_restart_of_the_host_is_followed_to_its_end(opener: Opener):
    async with opener() as bench:
        spawned = await bench.containers.spawn(SpawnRequest(persistent=True))
        run = await bench.execs.start(
            spawned.container.id, ExecRequest(argv=("sh", "-c", "echo one; sleep 0.5; echo two; exit 3"))
        )
    async with opener() as bench:
        done = await bench.execs.wait(run.id, wait_s=20)
        assert done.ending is not None
        assert (done.ending.reason, done.ending.exit_code) == (ExecReason.EXITED, 3)
        page = await bench.execs.poll(run.id)
        assert b"".join(chunk.data for chunk in page.chunks) == b"one\ntwo\n"
        await bench.containers.kill(spawned.container.id)


async def test_containers_of_another_installation_are_never_touched(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    spawned = await bench.containers.spawn(SpawnRequest())
    spec_path = Path(spawned.container.ref) / "spec.json"
    spec = json.loads(spec_path.read_text())
    foreign = Path(spawned.container.ref).with_name("c_foreign")
    (foreign / "workspace").mkdir(parents=True)
    spec["labels"] |= {LABEL_INSTALLATION: "n_other", LABEL_CONTAINER: "c_foreign"}
    (foreign / "spec.json").write_text(json.dumps(spec))
    await bench.containers.sweep()
    assert foreign.exists()
    assert [o.container_id async for o in runtime.list("n_other")] == ["c_foreign"]


async def make_orphan(bench: devbench_core.Bench, runtime: FakeRuntime) -> None:
    """Make a container with the installation's label, as if its record had been lost."""
    agent = AgentProgram(path=Path("/bin/true"), digest="0")
    image = await runtime.resolve_image("host")
    await runtime.create(
        CreateRequest(
            container_id="c_orphan",
            installation=bench.installation,
            image=image,
            agent=agent,
            env={},
            working_dir=PurePosixPath("/"),
            policy=Policy(),
            labels={LABEL_INSTALLATION: bench.installation, LABEL_CONTAINER: "c_orphan"},
        )
    )


async def test_an_orphan_of_ours_is_removed_when_its_grace_is_over(
    opener: Opener, runtime: FakeRuntime, clock: FakeClock
):
    async with opener() as bench:
        spawned = await bench.containers.spawn(SpawnRequest(persistent=True))
        await make_orphan(bench, runtime)
        assert (await bench.containers.reconcile()).removed == []
        clock.pass_s(200)
        await bench.containers.reap()
        assert len([o async for o in runtime.list(bench.installation)]) == 2
    async with opener() as bench:  # another life counts on
        clock.pass_s(99)
        await bench.containers.reap()
        assert len([o async for o in runtime.list(bench.installation)]) == 2
        clock.pass_s(2)
        await bench.containers.reap()
        assert [o.container_id async for o in runtime.list(bench.installation)] == [spawned.container.id]


async def test_a_host_of_another_runtime_on_the_same_store_makes_no_grace_longer(
    bench: devbench_core.Bench, runtime: FakeRuntime, clock: FakeClock
):
    await make_orphan(bench, runtime)
    await bench.containers.reap()
    clock.pass_s(299)
    await Orphans(bench.store, clock, 300, "another").keep_only(frozenset())
    clock.pass_s(2)
    await bench.containers.reap()
    assert [o async for o in runtime.list(bench.installation)] == []


async def test_a_grace_begins_anew_for_an_orphan_that_comes_back(
    bench: devbench_core.Bench, runtime: FakeRuntime, clock: FakeClock
):
    await make_orphan(bench, runtime)
    await bench.containers.reap()
    clock.pass_s(301)
    await bench.containers.reap()
    await bench.containers.reap()
    assert [o async for o in runtime.list(bench.installation)] == []
    await make_orphan(bench, runtime)
    await bench.containers.reap()
    assert len([o async for o in runtime.list(bench.installation)]) == 1


async def test_a_removal_that_is_finished_is_reported_once(opener: Opener, runtime: FakeRuntime):
    async with opener() as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        runtime.faults.fail("remove", EngineUnreachable("gone"), times=1)
        with pytest.raises(EngineUnreachable):
            await bench.containers.kill(container)
        report = await bench.containers.reconcile()
        assert (report.removed, report.failed) == ([container], [])


async def test_a_removal_that_fails_again_is_reported_once(opener: Opener, runtime: FakeRuntime):
    async with opener() as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        silence = runtime.faults.fail("remove", EngineUnreachable("gone"), times=None)
        with pytest.raises(EngineUnreachable):
            await bench.containers.kill(container)
        report = await bench.containers.reconcile()
        silence.withdraw()
        assert (report.removed, report.failed) == ([], [container])


async def test_without_a_grace_an_orphan_is_removed_at_once(opener: Opener, runtime: FakeRuntime):
    async with opener(lifetimes={"orphan_grace_s": 0}) as bench:
        await make_orphan(bench, runtime)
        assert (await bench.containers.reconcile()).removed == ["c_orphan"]


async def test_a_silent_engine_makes_containers_unknown_and_destroys_nothing(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    spawned = await bench.containers.spawn(SpawnRequest(alias="lab", ttl_s=3600.0))
    runtime.fall_silent()
    await bench.containers.sweep()
    found = await bench.containers.get("lab")
    assert found.status is Status.UNKNOWN
    assert found.ending is None
    runtime.answer_again()
    await bench.containers.sweep()
    assert (await bench.containers.get("lab")).status is Status.RUNNING
    assert (await bench.containers.inspect(spawned.container.id)).ending is None


async def test_what_the_engine_cannot_show_is_unknown_and_neither_ended_nor_removed(
    opener: Opener, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
):
    show = runtime.local.list

    async def damaged(installation: str) -> AsyncIterator[Observed]:
        async for seen in show(installation):
            yield attrs.evolve(seen, status=Status.UNKNOWN)

    async with opener(lifetimes={"orphan_grace_s": 0}) as bench:
        spawned = await bench.containers.spawn(SpawnRequest(alias="lab"))
        await make_orphan(bench, runtime)
        monkeypatch.setattr(runtime.local, "list", damaged)
        failure = runtime.faults.fail("inspect", EngineFailed("its configuration is damaged"), times=None)
        assert await bench.containers.due() == ()
        report = await bench.containers.reconcile()
        assert (report.unknown, report.ended, report.removed) == ([spawned.container.id], [], [])
        failure.withdraw()
        monkeypatch.undo()
        assert (await bench.containers.reconcile()).removed == ["c_orphan"]
        assert (await bench.containers.get("lab")).status is Status.RUNNING


async def test_a_kill_that_the_engine_did_not_answer_is_finished_later(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    spawned = await bench.containers.spawn(SpawnRequest(alias="lab"))
    runtime.fall_silent()
    with pytest.raises(EngineUnreachable):
        await bench.containers.kill("lab")
    runtime.answer_again()
    found = await bench.containers.get(spawned.container.id)
    assert found.ending is not None
    assert found.ending.reason is EndReason.KILLED
    await bench.containers.sweep()
    assert (await bench.containers.get(spawned.container.id)).status is Status.GONE
    assert [o async for o in runtime.list(bench.installation)] == []


async def test_the_containers_of_a_dead_host_are_adopted_by_a_serving_one(opener: Opener):
    async with opener() as bench:
        spawned = await bench.containers.spawn(SpawnRequest(alias="lab", persistent=True))
        former = spawned.container.instance
    async with opener() as bench:
        adopted = await bench.containers.get("lab")
        assert adopted.instance == bench.instance != former
        assert attrs.evolve(adopted, instance=former, revision=0) == attrs.evolve(
            spawned.container, revision=0
        )
        await bench.containers.kill("lab")


async def test_a_host_forgets_its_link_to_a_container_that_another_one_ended_and_keeps_the_others(
    opener: Opener,
):
    async with opener() as first, opener() as second:
        ended, kept = [(await first.containers.spawn(SpawnRequest())).container.id for _ in range(2)]
        await second.containers.kill(ended)
        links = first.services._links._links  # pyright: ignore[reportPrivateUsage]
        async with asyncio.timeout(10):
            while ended in links:
                await first.services.tend_links()
                await asyncio.sleep(0.01)
        assert list(links) == [kept]
