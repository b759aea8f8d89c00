"""A root that several users of a container can write to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import PurePosixPath
from typing import Any

import pytest
import pytest_asyncio

import devbench_core
from contract.files.place import Place
from devbench_core.containers import SpawnRequest
from devbench_core.errors import FileFailed, PathOutside
from devbench_core.model.batch import BatchWrite
from devbench_core.model.execution import ExecRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")
OTHER = "2000:2000"
MAKE = """
umask 077
cd /tmp
echo secret > theirs
mkdir closed && echo secret > closed/f
ln -s ../workspace/f to-workspace
ln -s ../etc/passwd to-etc
"""


@pytest.fixture(scope="module", params=["docker-busybox"])
def where_it_runs(request: pytest.FixtureRequest) -> str:
    """Bubblewrap's containers have one user."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_place(files_config: dict[str, Any]) -> AsyncGenerator[Place]:
    """A container with another user, who has been at work in /tmp."""
    policy = {"file_roots": ["/tmp"], "exec_users": [OTHER]}
    async with devbench_core.open(files_config | {"policy": policy}) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        request = ExecRequest(argv=("sh", "-c", MAKE), user=OTHER, cwd=PurePosixPath("/tmp"))
        command = await bench.execs.start(container, request)
        ended = await bench.execs.wait(command.id, wait_s=60)
        assert ended.ending is not None
        assert ended.ending.exit_code == 0
        yield Place(bench=bench, container=container, runtime="docker", image="busybox", folder=".")


async def test_what_another_user_has_there_stays_his(place: Place):
    files, container = place.files, place.container
    for call in (
        files.read(container, "/tmp/theirs"),
        files.write(container, "/tmp/theirs", b"gotcha"),
        files.delete(container, "/tmp/theirs"),
        files.move(container, "/tmp/theirs", "/tmp/mine"),
        files.list(container, "/tmp/closed"),
        files.batch(container, [BatchWrite(path="/tmp/theirs", data=b"gotcha")]),
    ):
        error = await place.refused(FileFailed, call)
        assert error.details["reason"] == "permission_denied"


async def test_links_of_another_user_lead_nowhere_else(place: Place):
    await place.files.write(place.container, "f", b"mine")
    for name in ("to-workspace", "to-etc"):
        await place.refused(PathOutside, place.files.read(place.container, f"/tmp/{name}"))
        await place.refused(PathOutside, place.files.write(place.container, f"/tmp/{name}", b"gotcha"))
    assert (await place.files.read(place.container, "f")).data == b"mine"
