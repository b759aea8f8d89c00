"""What Docker itself shows of a container that devbench made."""

import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import AgentProgram, CreateRequest
from devbench_core.errors import AgentUnavailable, ContainerNotFound
from devbench_core.model.container import Status
from devbench_core.model.policy import Clause, Network, Policy
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.info import capabilities_of, notes_of
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings

Requests = Callable[..., Awaitable[CreateRequest]]


async def shown(engine: Engine, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = await engine.call("GET", f"containers/{ref.partition('/')[0]}/json", doing="look")
    return found


async def test_the_default_is_hardened_in_every_clause(
    runtime: DockerRuntime, engine: Engine, wanted: Requests
):
    policy = Policy()
    seen = await shown(engine, await runtime.create(await wanted()))
    host, config = seen["HostConfig"], seen["Config"]
    assert host["ReadonlyRootfs"] is True
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], [])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] == policy.memory_bytes
    assert host["NanoCpus"] == 1_000_000_000
    assert host["PidsLimit"] == policy.pids
    assert host["NetworkMode"] == "none"
    assert config["User"] == "1000:1000"
    assert f"size={policy.tmpfs_bytes}" in host["Tmpfs"]["/tmp"]
    assert host["Privileged"] is False
    assert not host["Binds"]
    assert not host["Devices"]
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"]) == ("", "private", "")
    assert host["LogConfig"]["Type"] == "none"
    assert host["RestartPolicy"]["Name"] == "no"
    assert (host["AutoRemove"], host["Init"]) == (False, False)
    assert config["Healthcheck"] == {"Test": ["NONE"]}
    assert (config["OpenStdin"], config["StdinOnce"]) == (True, True)


async def test_what_a_policy_loosens_is_loosened_and_nothing_else(
    runtime: DockerRuntime, engine: Engine, wanted: Requests
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
    seen = await shown(engine, await runtime.create(await wanted(policy=loose)))
    host = seen["HostConfig"]
    assert host["ReadonlyRootfs"] is False
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], ["NET_BIND_SERVICE"])
    assert host["SecurityOpt"] == ["seccomp=unconfined"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (0, 0, None)
    assert host["NetworkMode"] in {"default", "bridge"}  # newer engines tell which one the default is
    assert seen["Config"]["User"] == "0:0"
    assert host["Privileged"] is False


@pytest.fixture
async def odd_image(docker_host: str, settings: DockerSettings, engine: Engine) -> AsyncGenerator[str]:
    """An image with volumes, a health check, a user and labels that try to mislead."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("data")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o777, 1000, 1000
        archive.addfile(folder)
    name = f"devbench-test/odd-{secrets.token_hex(4)}"
    changes = [
        "VOLUME /data",
        "VOLUME /workspace",
        "VOLUME /tmp",
        "USER 7",
        "HEALTHCHECK CMD /x",
        "LABEL dev.devbench.role=helper",
        "LABEL dev.devbench.owner=x",
        "ENV FROM_IMAGE=1",
        "WORKDIR /data",
        'ENTRYPOINT ["/never"]',
        'CMD ["run"]',
    ]
    query = urlencode([("fromSrc", "-"), ("repo", name), *(("changes", change) for change in changes)])
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(docker_host.removeprefix("unix://"))
        ) as session,
        session.post(f"http://docker/images/create?{query}", data=buffer.getvalue()) as response,
    ):
        assert response.status == 200, await response.text()
        assert b'"error"' not in await response.read()
    yield f"{name}:latest"
    params = {"all": "1", "filters": json.dumps({"ancestor": [name]})}
    for each in await engine.call("GET", "containers/json", doing="list", params=params):
        await engine.call(
            "DELETE", f"containers/{each['Id']}?force=1&v=1", doing="clean up"
        )  # else it keeps the image
    await engine.call("DELETE", f"images/{name}?force=1", doing="clean up")


async def test_what_an_image_declares_changes_nothing_of_the_policy(
    runtime: DockerRuntime, engine: Engine, wanted: Requests, odd_image: str
):
    request = await wanted(odd_image)
    ref = await runtime.create(request)
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    assert b"DVBA" in await stream.read()
    seen = await shown(engine, ref)
    assert {each["Destination"]: each["RW"] for each in seen["Mounts"]} == {
        "/.devbench": False,
        "/workspace": True,
        "/data": False,  # would otherwise be a hole in the read-only root
    }
    assert seen["Config"]["User"] == "1000:1000"
    assert seen["Config"]["StopSignal"] == "SIGTERM"
    assert "Health" not in seen["State"]
    assert seen["Config"]["Labels"]["dev.devbench.role"] == "container"
    await stream.close()


async def test_the_images_own_volumes_go_with_the_container(
    runtime: DockerRuntime, engine: Engine, wanted: Requests, odd_image: str
):
    ref = await runtime.create(await wanted(odd_image, policy=Policy(read_only_root=False)))
    names = [each["Name"] for each in (await shown(engine, ref))["Mounts"] if each["Destination"] == "/data"]
    assert len(names) == 1
    await runtime.remove(ref)
    there = await engine.call("GET", "volumes", doing="list")
    assert names[0] not in [each["Name"] for each in there["Volumes"] or ()]


async def test_an_image_is_described_as_it_declares_itself(runtime: DockerRuntime, odd_image: str):
    image = await runtime.resolve_image(odd_image)
    assert (image.user, image.working_dir, image.command) == ("7", "/data", ("/never", "run"))
    assert image.env["FROM_IMAGE"] == "1"
    assert image.created_at is not None
    by_id = await runtime.resolve_image(image.id)
    assert (by_id.id, by_id.name) == (image.id, image.id)
    assert f"docker.io/{odd_image}" in [each.name for each in await runtime.images()]


async def test_an_image_for_another_architecture_is_refused_by_name(runtime: DockerRuntime, wanted: Requests):
    request = await wanted()
    foreign = attrs.evolve(request, image=attrs.evolve(request.image, architecture="s390x"))
    with pytest.raises(AgentUnavailable, match=f"{request.image.name}.*s390x"):
        await runtime.create(foreign)


async def test_an_agent_for_another_architecture_is_named_as_the_reason(
    runtime: DockerRuntime, wanted: Requests, engine: Engine, tmp_path: Path
):
    binary = tmp_path / "foreign"
    binary.write_bytes(b"\x7fELF\x02\x01\x01" + secrets.token_bytes(200))
    foreign = AgentProgram(path=binary, digest=hashlib.sha256(binary.read_bytes()).hexdigest())
    ref = await runtime.create(await wanted(agent=foreign))

    async def reach() -> None:  # newer engines notice at the start, older ones after it
        await runtime.start(ref)
        await runtime.connect(ref)

    with pytest.raises(AgentUnavailable, match="another architecture"):
        await reach()
    await runtime.remove(ref)
    await engine.call("DELETE", f"volumes/devbench-agent-{foreign.digest[:12]}", doing="clean up")


async def test_freezing_and_thawing_are_idempotent_and_a_frozen_one_runs(
    runtime: DockerRuntime, wanted: Requests
):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    await runtime.pause(ref)
    await runtime.pause(ref)
    assert (await runtime.inspect(ref)).status is Status.RUNNING
    await runtime.unpause(ref)
    await runtime.unpause(ref)
    await runtime.remove(ref)


async def test_a_frozen_container_is_removed(runtime: DockerRuntime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    await runtime.pause(ref)
    await runtime.remove(ref)


async def test_statistics_are_of_this_container(runtime: DockerRuntime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    stats = await runtime.stats(ref)
    assert stats.pids == 1
    assert stats.memory_bytes is not None
    assert 0 < stats.memory_bytes < 2 * 1024 * 1024  # what the idle agent costs
    assert stats.cpu_s is not None


async def test_a_stream_that_nobody_took_is_closed_in_the_end(
    settings: DockerSettings, context: OpenContext, wanted: Requests
):
    async with opened(settings.model_copy(update={"direct": False}), context) as docker:
        ref = await docker.create(await wanted())
        await docker.start(ref)
        stash = docker._stash  # pyright: ignore[reportPrivateUsage] - its clock is what the test moves
        kept = stash._kept[ref]  # pyright: ignore[reportPrivateUsage]
        stash._kept[ref] = attrs.evolve(kept, until_s=0)  # pyright: ignore[reportPrivateUsage]
        stream = await docker.connect(ref)  # over a bridge
        assert stream is not kept.stream
        with pytest.raises(AgentUnavailable):
            await kept.stream.write(b"x")
        await stream.close()
        await docker.remove(ref)


async def test_a_container_that_was_made_anew_under_the_name_is_not_this_one(
    runtime: DockerRuntime, wanted: Requests
):
    request = await wanted()
    first = await runtime.create(request)
    await runtime.remove(first)
    second = await runtime.create(request)
    assert first != second
    with pytest.raises(ContainerNotFound):
        await runtime.inspect(first)


async def test_a_container_that_only_carries_our_labels_is_not_listed(
    runtime: DockerRuntime, wanted: Requests, engine: Engine
):
    request = await wanted()
    body = {"Image": request.image.id, "Labels": {**request.labels, "dev.devbench.role": "container"}}
    made = await engine.call(
        "POST", "containers/create", doing="make", params={"name": f"x-{request.container_id}"}, body=body
    )
    try:
        assert [each async for each in runtime.list(request.installation)] == []
    finally:
        await engine.call("DELETE", f"containers/{made['Id']}", doing="clean up")


INFO: dict[str, Any] = {
    "OSType": "linux",
    "Architecture": "aarch64",
    "MemoryLimit": True,
    "SwapLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "SecurityOptions": ["name=seccomp,profile=default"],
}


def test_what_the_engine_says_it_can_is_what_is_claimed():
    found = capabilities_of(INFO)
    assert (found.enforces, found.reasons, found.architectures) == (frozenset(Clause), {}, ("arm64",))
    assert notes_of(INFO) == ()


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"MemoryLimit": False}, Clause.MEMORY),
        ({"CpuCfsQuota": False}, Clause.CPU),
        ({"PidsLimit": False}, Clause.PIDS),
        ({"SecurityOptions": []}, Clause.SECCOMP),
        ({"SecurityOptions": None}, Clause.SECCOMP),
        ({"SecurityOptions": ["name=seccomp,profile=unconfined"]}, Clause.SECCOMP),
    ],
)
def test_what_it_cannot_is_not_claimed_and_explained(change: dict[str, Any], clause: Clause):
    found = capabilities_of({**INFO, **change})
    assert frozenset(Clause) - found.enforces == {clause}
    assert found.reasons[clause]


def test_a_kernel_without_swap_limits_is_noted():
    assert "swap" in notes_of({**INFO, "SwapLimit": False})[0]
