"""What one container is on Podman, what belongs to it, and what of others stays as it was."""

import asyncio
import contextlib
import io
import secrets
import tarfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_INSTALLATION, CreateRequest
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.http_calls import BY_FORCE
from devbench_core.engines.names import (
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_WORKSPACE,
    agent_volume_name,
    split_ref,
    volumes_of,
)
from devbench_core.engines.owner import this_process
from devbench_core.errors import AgentUnavailable, ValidationFailed
from devbench_core.model.container import Status
from devbench_core.model.policy import Network, Policy
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.engine import Engine
from devbench_runtime_podman.opening import opened
from devbench_runtime_podman.runtime import PodmanRuntime
from devbench_runtime_podman.settings import PodmanSettings
from engines.api import DockerApi

Requests = Callable[..., Awaitable[CreateRequest]]
GUEST = "4242:4343"
DEADLINE_S = 20.0


async def said(calls: PodmanCalls, ref: str, script: str, user: str = "") -> str:
    """Run a shell's script by the engine itself; return what it wrote."""
    _, stream = await calls.execute(split_ref(ref)[0], ("sh", "-c", script), user)
    data = b""
    while piece := await stream.read():
        data += piece
    await stream.close()
    return data.decode()


async def test_the_default_is_hardened_in_every_clause(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests
):
    policy = Policy()
    seen = await calls.show(split_ref(await runtime.create(await wanted()))[0])
    host, config = seen["HostConfig"], seen["Config"]
    assert host["ReadonlyRootfs"] is True
    assert seen["EffectiveCaps"] is None
    assert seen["BoundingCaps"] is None
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["Memory"] == host["MemorySwap"] == policy.memory_bytes
    assert (host["CpuQuota"], host["CpuPeriod"]) == (100_000, 100_000)
    assert host["PidsLimit"] == policy.pids
    assert host["NetworkMode"] == "none"
    assert config["User"] == "1000:1000"
    assert host["Privileged"] is False
    assert not host["Devices"]
    assert (host["PidMode"], host["UTSMode"]) == ("private", "private")
    assert host["IpcMode"] in {"private", "shareable"}  # of its own in both; Podman 4 shows the latter
    assert host["LogConfig"]["Type"] == "none"
    assert host["AutoRemove"] is False
    assert {(each["Destination"], each["RW"]) for each in seen["Mounts"]} == {
        ("/.devbench", False),
        ("/workspace", True),
    }


async def test_what_a_policy_loosens_is_loosened_and_nothing_else(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests
):
    loose = Policy(
        read_only_root=False,
        capabilities=("NET_BIND_SERVICE",),
        no_new_privileges=False,
        seccomp=False,
        memory_bytes=None,
        cpus=None,
        pids=None,
        network=Network.ENGINE,
        user="0",
    )
    ref = await runtime.create(await wanted(policy=loose))
    seen = await calls.show(split_ref(ref)[0])
    host = seen["HostConfig"]
    assert host["ReadonlyRootfs"] is False
    assert seen["BoundingCaps"] == ["CAP_NET_BIND_SERVICE"]
    assert (host["Memory"], host["CpuQuota"]) == (0, 0)
    assert host["NetworkMode"] != "none"
    assert host["Privileged"] is False
    await runtime.start(ref)
    status = await said(calls, ref, "cat /proc/self/status; touch /etc/x && echo wrote")
    assert "Seccomp:\t0" in status
    assert "NoNewPrivs:\t0" in status
    assert status.endswith("wrote\n")


async def test_kept_capabilities_are_those_of_an_ordinary_user_too_and_no_others(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests
):
    ref = await runtime.create(await wanted(policy=Policy(capabilities=("NET_BIND_SERVICE",))))
    await runtime.start(ref)
    told = await said(calls, ref, "grep -h ^Cap /proc/1/status")
    assert {int(line.split()[1], 16) for line in told.splitlines()} == {1 << 10}


async def test_the_agents_volume_belongs_to_root_whoever_uses_it_first(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests
):
    """Podman gives a volume to the user of the first container that has it, unless it has an owner."""
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    assert await said(
        calls, ref, "stat -c '%u:%g %a' /.devbench/devbench-agent; stat -c %u:%g /.devbench"
    ) == ("0:0 111\n0:0\n")


async def test_each_other_user_has_a_small_folder_of_its_own(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests
):
    ref = await runtime.create(await wanted(policy=Policy(exec_users=(GUEST, "77:77"))))
    await runtime.start(ref)
    place = "/.devbench-guests/4242"
    assert await said(calls, ref, f"stat -c '%a %u:%g' {place}") == f"700 {GUEST}\n"
    assert await said(calls, ref, f"ls {place} 2>&1 || echo refused") != ""
    assert "refused" in await said(calls, ref, f"ls {place} 2>/dev/null || echo refused", user="77:77")
    fill = f"echo it > {place}/x && cat {place}/x; dd if=/dev/zero of={place}/y bs=4k count=100 2>&1"
    filled = await said(calls, ref, fill, user=GUEST)
    assert filled.startswith("it\n")
    assert "No space left" in filled
    await runtime.remove(ref)
    for volume in volumes_of(ref):
        with pytest.raises(EngineAnswer, match="404"):
            await calls.volume(volume)


async def test_a_users_own_number_cannot_be_another_users(runtime: PodmanRuntime, wanted: Requests):
    with pytest.raises(ValidationFailed, match="exec_users"):
        await runtime.create(await wanted(policy=Policy(exec_users=("1000:5",))))


@pytest.fixture
async def odd_image(podman_host: str) -> AsyncGenerator[str]:
    """An image with volumes, a health check, a user and labels that try to mislead."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("data")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o777, 1000, 1000
        archive.addfile(folder)
    buffer.seek(0)
    name = f"docker.io/devbench-test/odd-{secrets.token_hex(4)}:latest"
    changes = (
        "VOLUME /data",
        "VOLUME /workspace",
        "USER 7",
        "LABEL dev.devbench.role=helper",
        "LABEL dev.devbench.owner=x",
        "ENV FROM_IMAGE=1",
        "WORKDIR /data",
        'ENTRYPOINT ["/never"]',
        'CMD ["run"]',
    )
    api = DockerApi(podman_host)
    await asyncio.to_thread(api.import_image, name, buffer, changes, "odd")
    yield name
    await asyncio.to_thread(api.remove_image, name)


async def test_what_an_image_declares_changes_nothing_of_the_policy(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests, odd_image: str
):
    request = await wanted(odd_image)
    assert (request.image.user, request.image.env["FROM_IMAGE"]) == ("7", "1")
    ref = await runtime.create(request)
    seen = await calls.show(split_ref(ref)[0])
    assert seen["Config"]["User"] == "1000:1000"
    assert {each["Destination"] for each in seen["Mounts"]} == {
        "/.devbench",
        "/workspace",
    }  # no writable hole
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    assert b"DVBA" in await stream.read()
    await stream.close()
    assert (await runtime.inspect(ref)).status is Status.RUNNING
    await runtime.remove(ref)


async def test_an_image_for_another_architecture_is_refused(runtime: PodmanRuntime, wanted: Requests):
    request = await wanted()
    other = attrs.evolve(request, image=attrs.evolve(request.image, architecture="s390x"))
    with pytest.raises(AgentUnavailable, match="s390x"):
        await runtime.create(other)


async def volumes_left(calls: PodmanCalls, context: OpenContext) -> list[str]:
    return [each.name for each in await calls.volumes({LABEL_INSTALLATION: context.installation})]


async def test_a_create_that_is_cancelled_takes_back_what_the_service_made_all_the_same(
    settings: PodmanSettings, context: OpenContext, calls: PodmanCalls, wanted: Requests
):
    async with opened(settings, context) as podman:
        for delay_s in (0.005, 0.02, 0.05):
            request = await wanted(policy=Policy(exec_users=(GUEST,)))
            making = asyncio.create_task(podman.create(request))
            await asyncio.sleep(delay_s)
            making.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await podman.remove(await making)
    assert await calls.containers({LABEL_INSTALLATION: context.installation}) == []
    assert await volumes_left(calls, context) == []


async def test_workspaces_of_a_host_that_died_are_swept_by_the_next(
    settings: PodmanSettings, context: OpenContext, calls: PodmanCalls
):
    dead = {LABEL_ROLE: ROLE_WORKSPACE, LABEL_INSTALLATION: context.installation, LABEL_OWNER: ""}
    owner = await asyncio.to_thread(this_process)
    boot, namespace, pid, _ = owner.split(":")
    names = [f"devbench-workspace-{secrets.token_hex(8)}" for _ in range(2)]
    await calls.make_volume(
        names[0], {**dead, LABEL_OWNER: f"{boot}:{namespace}:{pid}:1"}
    )  # its number, another start
    await calls.make_volume(names[1], {**dead, LABEL_OWNER: owner})
    async with opened(settings, context):
        assert await volumes_left(calls, context) == [names[1]]
    await calls.remove_volume(names[1])


@pytest.fixture
async def foreign(engine: Engine, podman_image: Callable[[str], str]) -> AsyncGenerator[dict[str, str]]:
    """A pod with a container in it and a volume, none of them devbench's."""
    mark = secrets.token_hex(4)
    pod: dict[str, Any] = {"name": f"pod-{mark}", "no_infra": True}
    await engine.call("POST", "pods/create", doing="make a pod", body=pod)
    body = {
        "name": f"other-{mark}",
        "image": podman_image("busybox"),
        "command": ["sleep", "1000"],
        "pod": pod["name"],
        "netns": {"nsmode": "none"},
        "volumes": [{"Name": f"volume-{mark}", "Dest": "/data"}],
        "r_limits": [{"type": kind, "soft": 1024, "hard": 1024} for kind in ("nofile", "nproc")],
    }
    await engine.call("POST", "containers/create", doing="make a container", body=body)
    await engine.call("POST", f"containers/other-{mark}/start", doing="start it", setting="start_timeout_s")
    yield {"pod": f"pod-{mark}", "container": f"other-{mark}", "volume": f"volume-{mark}"}
    await engine.call("DELETE", f"containers/other-{mark}", doing="clean up", params=BY_FORCE)
    await engine.call("DELETE", f"pods/pod-{mark}", doing="clean up", params={"force": "true"})
    await engine.call("DELETE", f"volumes/volume-{mark}", doing="clean up")


async def test_pods_and_other_peoples_containers_and_volumes_stay_as_they_were(
    settings: PodmanSettings,
    context: OpenContext,
    engine: Engine,
    calls: PodmanCalls,
    wanted: Requests,
    foreign: dict[str, str],
):
    async with opened(settings, context) as podman:
        ref = await podman.create(await wanted())
        await podman.start(ref)
        assert [split_ref(each.ref)[0] async for each in podman.list(context.installation)] == [
            split_ref(ref)[0]
        ]
        await podman.remove(ref)
    assert (await calls.show(foreign["container"]))["State"]["Running"]
    assert (await calls.volume(foreign["volume"])).name == foreign["volume"]
    assert (await engine.call("GET", f"pods/{foreign['pod']}/json", doing="look"))["Name"] == foreign["pod"]


async def test_what_is_half_removed_is_removed_to_the_end(
    runtime: PodmanRuntime, calls: PodmanCalls, context: OpenContext, wanted: Requests
):
    ref = await runtime.create(await wanted(policy=Policy(exec_users=(GUEST,))))
    await calls.remove_helper(split_ref(ref)[0])
    assert sorted(await volumes_left(calls, context)) == sorted(volumes_of(ref))
    await runtime.remove(ref)
    await runtime.remove(ref)
    assert await volumes_left(calls, context) == []


async def test_a_frozen_container_is_thawed_and_both_can_be_repeated(
    runtime: PodmanRuntime, calls: PodmanCalls, wanted: Requests
):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    for verb in (runtime.pause, runtime.pause):
        await verb(ref)
    assert (await calls.show(split_ref(ref)[0]))["State"]["Paused"]
    assert (await runtime.inspect(ref)).status is Status.RUNNING
    for verb in (runtime.unpause, runtime.unpause):
        await verb(ref)
    assert not (await calls.show(split_ref(ref)[0]))["State"]["Paused"]


async def test_what_a_container_uses_is_told_within_a_tenth_of_a_second(
    runtime: PodmanRuntime, wanted: Requests
):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    used, took = await runtime.stats(ref), list[float]()
    for _ in range(3):
        began = time.monotonic()
        used = await runtime.stats(ref)
        took.append(time.monotonic() - began)
    await stream.close()
    assert used.memory_bytes is not None
    assert 0 < used.memory_bytes < 64 * 1024 * 1024
    assert used.cpu_s is not None
    assert used.cpu_s < 10
    assert used.pids == 1
    assert min(took) < 0.1


async def test_six_hosts_at_once_fill_the_agents_volume_once(
    settings: PodmanSettings, context: OpenContext, calls: PodmanCalls, wanted: Requests
):
    request = await wanted()
    volume = agent_volume_name(request.agent.digest)
    with contextlib.suppress(EngineAnswer):  # containers of other tests may have it
        await calls.remove_volume(volume)

    async def host() -> None:
        async with opened(settings, context) as podman:
            ref = await podman.create(attrs.evolve(request, container_id=f"c_{secrets.token_hex(8)}"))
            await podman.start(ref)
            stream = await podman.connect(ref)
            assert b"DVBA" in await stream.read()
            await stream.close()
            await podman.remove(ref)

    async with asyncio.timeout(DEADLINE_S * 3):
        await asyncio.gather(*(host() for _ in range(6)))
