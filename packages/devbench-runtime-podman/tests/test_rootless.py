"""Podman as an ordinary user runs it: what holds there, and what is refused because it does not."""

import asyncio
import contextlib
import os
import secrets
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path, PurePosixPath

import attrs
import pytest

import devbench_core
from devbench_core.clock import SystemClock
from devbench_core.containers import SpawnRequest
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_CONTAINER, LABEL_INSTALLATION, AgentProgram, CreateRequest
from devbench_core.engines.attached import AttachedStream
from devbench_core.errors import NotEnforced, ValidationFailed
from devbench_core.model.execution import ExecRequest
from devbench_core.model.policy import Clause, Policy
from devbench_runtime_podman.doctor import examine
from devbench_runtime_podman.opening import opened
from devbench_runtime_podman.runtime import PodmanRuntime
from devbench_runtime_podman.settings import PodmanSettings
from engines import images, podman, signals
from engines.api import DockerApi
from engines.places import PRIVATE_PARENT, PRIVATE_PREFIX

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="becomes an ordinary user, with a service of its own"
)
REFERENCE = f"docker.io/{images.image_reference('busybox')}"
LIMITS = {Clause.MEMORY: "memory_bytes", Clause.CPU: "cpus", Clause.PIDS: "pids"}


def working_in(folder: Path) -> list[str]:
    """Return the processes whose folder it is, also when it is gone."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if folder.name in str((process / "cwd").readlink()):
                found.append(process.name)
    return found


@pytest.fixture(scope="module")
def service(rootfs_tar: Callable[[str], Path]) -> Generator[podman.Podman]:
    """A service of the ordinary user, with one image."""
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=PRIVATE_PARENT))
    started = podman.start(folder, owner_pid=os.getpid(), rootless=True)
    try:
        recipe = images.recipe("busybox")
        with rootfs_tar("busybox").open("rb") as tar:
            DockerApi(started.host).import_image(recipe.reference, tar, recipe.changes, "busybox")
        yield started
    finally:
        with signals.ignored():
            podman.stop(started)
    assert not working_in(folder)


@pytest.fixture
def context(tmp_path: Path) -> OpenContext:
    """A fresh installation."""
    return OpenContext(
        installation=f"i_{secrets.token_hex(6)}", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock()
    )


@pytest.fixture
async def rootless(service: podman.Podman, context: OpenContext) -> AsyncGenerator[PodmanRuntime]:
    """The runtime on it, as the user itself would have it: it cannot look into containers."""
    async with opened(PodmanSettings(host=service.host, direct=False), context) as runtime:
        yield runtime
        for seen in [each async for each in runtime.list(context.installation)]:
            await runtime.remove(seen.ref)


@pytest.fixture
def policy(rootless: PodmanRuntime) -> Policy:
    """The default, without the limits that are not enforced here."""
    absent = {LIMITS[clause]: None for clause in LIMITS if clause not in rootless.capabilities.enforces}
    return attrs.evolve(Policy(), **absent)


async def request(
    runtime: PodmanRuntime, context: OpenContext, agent: AgentProgram, policy: Policy
) -> CreateRequest:
    name = f"c_{secrets.token_hex(8)}"
    return CreateRequest(
        container_id=name,
        installation=context.installation,
        image=await runtime.resolve_image(REFERENCE),
        agent=agent,
        env={},
        working_dir=PurePosixPath("/workspace"),
        policy=policy,
        labels={LABEL_INSTALLATION: context.installation, LABEL_CONTAINER: name},
    )


def test_limits_are_enforced_as_far_as_control_groups_are_delegated(rootless: PodmanRuntime):
    for clause in LIMITS:
        enforced = clause in rootless.capabilities.enforces
        assert enforced or "rootless Podman without delegated" in rootless.capabilities.reasons[clause]
    assert rootless.capabilities.enforces >= frozenset(Clause) - LIMITS.keys()


async def test_the_doctor_says_that_it_is_rootless_and_what_is_missing(
    service: podman.Podman, context: OpenContext, rootless: PodmanRuntime
):
    diagnosis = await examine(PodmanSettings(host=service.host), context)
    assert diagnosis.ok
    assert diagnosis.summary.startswith("rootless Podman")
    missing = [clause for clause in LIMITS if clause not in rootless.capabilities.enforces]
    assert all(
        any(note.startswith(f"{clause} is not enforced") for note in diagnosis.notes) for clause in missing
    )


async def test_the_agent_is_reached_by_the_stream_of_the_start_and_by_bridges(
    rootless: PodmanRuntime, context: OpenContext, agent: AgentProgram, policy: Policy
):
    ref = await rootless.create(await request(rootless, context, agent, policy))
    await rootless.start(ref)
    for _ in range(3):
        stream = await rootless.connect(ref)
        assert isinstance(stream, AttachedStream)
        assert b"DVBA" in await stream.read()
        await stream.close()


async def test_a_user_beyond_the_subordinate_ids_is_refused_before_anything_is_made(
    rootless: PodmanRuntime, context: OpenContext, agent: AgentProgram, policy: Policy
):
    wanted = await request(rootless, context, agent, attrs.evolve(policy, user="70000"))
    with pytest.raises(ValidationFailed, match="/etc/subuid"):
        await rootless.create(wanted)
    assert [each async for each in rootless.list(context.installation)] == []


async def test_what_is_used_is_told_or_said_to_be_unknown(
    rootless: PodmanRuntime, context: OpenContext, agent: AgentProgram, policy: Policy
):
    ref = await rootless.create(await request(rootless, context, agent, policy))
    await rootless.start(ref)
    used = await rootless.stats(ref)
    assert (used.memory_bytes is None) == (used.pids is None)


async def test_a_spawn_that_wants_limits_is_refused_by_name_and_a_whole_job_is_done_without_them(
    service: podman.Podman, rootless: PodmanRuntime, tmp_path: Path
):
    values = {
        "runtime": "podman",
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "plugin": {"podman": {"host": service.host, "direct": False}},
        "images": {"default": REFERENCE, "pull_policy": "never"},
    }
    absent = [str(clause) for clause in LIMITS if clause not in rootless.capabilities.enforces]
    if absent:
        async with devbench_core.open(values) as bench:
            with pytest.raises(NotEnforced) as refused:
                await bench.containers.spawn(SpawnRequest())
        assert refused.value.details["clauses"] == sorted(absent)
    async with devbench_core.open({**values, "policy": {"tolerate_absent": absent}}) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        await bench.files.write(container, "note", b"kept")
        script = "id -u; cat note; stat -c %u note; grep CapBnd /proc/self/status"
        started = await bench.execs.start(container, ExecRequest(argv=("sh", "-c", script)))
        async with asyncio.timeout(30):
            await bench.execs.wait(started.id, wait_s=20)
        page = await bench.execs.poll(started.id)
        said = b"".join(chunk.data for chunk in page.chunks).decode()
        assert said == "1000\nkept1000\nCapBnd:\t0000000000000000\n"
        await bench.containers.kill(container)


async def test_what_the_compatible_interface_claims_is_not_believed(
    service: podman.Podman, rootless: PodmanRuntime
):
    """It says that limits can be set where they cannot: the reason for not using it."""
    claimed = await asyncio.to_thread(DockerApi(service.host).info)
    if Clause.MEMORY in rootless.capabilities.enforces:
        pytest.skip("control groups are delegated here")
    assert claimed["MemoryLimit"] is True
