"""Workspaces are made ahead, belong to the container's user, and never stay behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_INSTALLATION, CreateRequest
from devbench_core.engines.names import LABEL_OWNER, LABEL_ROLE, ROLE_HELPER, ROLE_WORKSPACE
from devbench_core.engines.owner import lives, this_process
from devbench_core.engines.users import User, user_of
from devbench_core.errors import ImageNotFound, ValidationFailed
from devbench_core.model.policy import Policy
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.helper import volume_mount
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings
from devbench_runtime_docker.workspaces import USERS_MAX
from harness.later import Later

Requests = Callable[..., Awaitable[CreateRequest]]
WITHIN_S, LOOK_S = 20.0, 0.05


async def left(engine: Engine, installation: str) -> list[str]:
    """Return containers and volumes of an installation."""
    params = {"all": "1", "filters": json.dumps({"label": [f"{LABEL_INSTALLATION}={installation}"]})}
    containers: list[dict[str, Any]] = await engine.call(
        "GET", "containers/json", doing="list", params=params
    )
    volumes = await engine.call("GET", "volumes", doing="list", params={"filters": params["filters"]})
    return [*(each["Id"] for each in containers), *(each["Name"] for each in volumes["Volumes"] or ())]


async def test_nothing_is_left_when_the_runtime_is_closed(
    settings: DockerSettings, context: OpenContext, engine: Engine, wanted: Requests
):
    many = settings.model_copy(update={"prepared_workspaces": 5})
    async with opened(many, context) as docker:
        ref = await docker.create(await wanted())
        assert len(await left(engine, context.installation)) >= 5
        await docker.remove(ref)
    assert await left(engine, context.installation) == []


async def test_what_a_killed_process_made_ahead_is_swept_by_the_next_one(
    settings: DockerSettings, context: OpenContext, engine: Engine
):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220 - a moment
    here = await asyncio.to_thread(this_process)
    boot, namespace, _, _ = here.split(":")
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:  # noqa: ASYNC230, PTH123 - /proc
        start = stat.read().rpartition(")")[2].split()[19]
    owner = f"{boot}:{namespace}:{process.pid}:{start}"
    labels = {LABEL_INSTALLATION: context.installation, LABEL_OWNER: owner}
    await engine.call(
        "POST",
        "volumes/create",
        doing="make",
        body={"Name": f"w-{context.installation}", "Labels": {**labels, LABEL_ROLE: ROLE_WORKSPACE}},
    )
    async with opened(settings, context):
        assert await left(engine, context.installation) == [f"w-{context.installation}"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    async with opened(settings, context):
        assert await left(engine, context.installation) == []


async def test_what_a_living_process_made_ahead_is_never_swept_however_old_it_looks(
    settings: DockerSettings, context: OpenContext, engine: Engine, wanted: Requests
):
    async with opened(settings, context) as docker:
        await docker.remove(await docker.create(await wanted()))
        ready = await left(engine, context.installation)
        assert ready
        async with opened(settings, attrs.evolve(context, clock=Later(timedelta(hours=2)))):
            assert await left(engine, context.installation) == ready


@pytest.mark.parametrize("owner", ["", "another-boot:4026531836:7:7", "?:?:7:"])
async def test_what_a_process_made_of_which_nothing_is_known_is_swept_when_it_is_old(
    owner: str, settings: DockerSettings, context: OpenContext, engine: Engine
):
    labels = {LABEL_INSTALLATION: context.installation, LABEL_ROLE: ROLE_WORKSPACE, LABEL_OWNER: owner}
    body = {"Name": f"w-{context.installation}", "Labels": labels}
    await engine.call("POST", "volumes/create", doing="make", body=body)
    async with opened(settings, context):
        assert await left(engine, context.installation) == [body["Name"]]
    async with opened(settings, attrs.evolve(context, clock=Later(timedelta(hours=2)))):
        assert await left(engine, context.installation) == []


async def test_a_helper_that_a_dead_process_left_is_swept_with_its_volumes(
    settings: DockerSettings, context: OpenContext, engine: Engine, docker_image: Callable[[str], str]
):
    boot, namespace, _, _ = (await asyncio.to_thread(this_process)).split(":")
    labels = {LABEL_INSTALLATION: context.installation, LABEL_OWNER: f"{boot}:{namespace}:999999999:1"}
    volume = volume_mount(f"w-{context.installation}", "/w", labels={**labels, LABEL_ROLE: ROLE_WORKSPACE})
    body = {
        "Image": docker_image("busybox"),
        "Entrypoint": ["/x"],
        "Labels": {**labels, LABEL_ROLE: ROLE_HELPER},
        "HostConfig": {"Mounts": [volume]},
    }
    await engine.call("POST", "containers/create", doing="make", body=body)
    assert len(await left(engine, context.installation)) == 2
    async with opened(settings, context):
        assert await left(engine, context.installation) == []


def test_this_process_lives_and_others_are_judged_only_where_they_can_be_seen():
    here = this_process()
    boot, namespace, pid, start = here.split(":")
    assert lives(here) is True
    assert lives(f"{boot}:{namespace}:{pid}:1") is False  # the number was given anew
    assert lives(f"{boot}:{namespace}:999999999:{start}") is False
    assert lives(f"another-boot:{namespace}:{pid}:{start}") is None
    assert lives(f"{boot}:1:{pid}:{start}") is None
    assert lives(f"{boot}:{namespace}:{pid}:") is None  # it could not see itself
    assert lives("") is None
    assert lives("nonsense") is None


def test_a_process_that_ended_is_dead_also_before_its_parent_has_buried_it():
    boot, namespace, _, _ = this_process().split(":")
    with subprocess.Popen(["sleep", "600"]) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        owner = f"{boot}:{namespace}:{process.pid}:{stat.read_text().rpartition(')')[2].split()[19]}"
        assert lives(owner) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays unburied
        assert lives(owner) is False


async def test_more_users_than_are_kept_ready_are_served(runtime: DockerRuntime, wanted: Requests):
    refs = [await runtime.create(await wanted(policy=Policy(user=str(2000 + each)))) for each in range(6)]
    await asyncio.gather(*(runtime.remove(ref) for ref in refs))


async def test_more_users_at_once_than_are_kept_ready_leave_nothing(
    settings: DockerSettings, context: OpenContext, engine: Engine, wanted: Requests
):
    requests = [await wanted(policy=Policy(user=str(2000 + each))) for each in range(USERS_MAX + 3)]
    async with opened(settings, context) as docker:
        refs = await asyncio.gather(*(docker.create(each) for each in requests))
        await asyncio.gather(*(docker.remove(ref) for ref in refs))
        async with asyncio.timeout(WITHIN_S):
            while len(await left(engine, context.installation)) > USERS_MAX * settings.prepared_workspaces:
                await asyncio.sleep(LOOK_S)
    assert await left(engine, context.installation) == []


async def test_what_goes_wrong_while_more_are_made_ahead_does_not_end_the_host(
    settings: DockerSettings,
    context: OpenContext,
    engine: Engine,
    wanted: Requests,
    monkeypatch: pytest.MonkeyPatch,
):
    fill, filled, broken = Engine.put_archive, 0, asyncio.Event()

    async def put_archive(*args: Any, doing: str, setting: str) -> None:
        nonlocal filled
        filled += doing == "prepare workspaces"
        if filled == 2:
            broken.set()
            raise AssertionError("of a client's library")
        await fill(*args, doing=doing, setting=setting)

    monkeypatch.setattr(Engine, "put_archive", put_archive)
    async with opened(settings.model_copy(update={"prepared_workspaces": 1}), context) as docker:
        refs = [await docker.create(await wanted())]
        async with asyncio.timeout(WITHIN_S):
            await broken.wait()
        refs.append(await docker.create(await wanted()))
        await asyncio.gather(*(docker.remove(ref) for ref in refs))
    assert await left(engine, context.installation) == []


async def test_an_image_that_vanished_is_not_found_and_nothing_is_left(
    settings: DockerSettings, context: OpenContext, engine: Engine, wanted: Requests
):
    request = await wanted()
    gone = attrs.evolve(request, image=attrs.evolve(request.image, id=f"sha256:{'0' * 64}"))
    async with opened(settings, context) as docker:
        with pytest.raises(ImageNotFound):
            await docker.create(gone)
    assert await left(engine, context.installation) == []


@pytest.mark.parametrize(
    ("text", "user"),
    [("", User(1000, 1000)), ("0", User(0, 0)), ("root", User(0, 0)), ("5", User(5, 5)), ("5:6", User(5, 6))],
)
def test_a_user_is_a_number_or_two(text: str, user: User):
    assert user_of(Policy(user=text)) == user


@pytest.mark.parametrize("text", ["bob", "1:", ":1", "-1", "1:2:3", "4294967295", "1 ", "²"])
def test_anything_else_is_no_user(text: str):
    with pytest.raises(ValidationFailed):
        user_of(Policy(user=text))
