"""Roots that come from an image, in a container whose root file system can be written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import FileFailed
from devbench_core.model.batch import BatchDelete, BatchMove, BatchWrite
from devbench_core.testing.kit.files_place import Place
from devbench_core.testing.kit.host_lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")
AS_OWNER = pytest.mark.parametrize("place", ["0"], indirect=True)


@pytest.fixture(scope="module", params=["docker-debian"])
def where_it_runs(request: pytest.FixtureRequest) -> str:
    """Bubblewrap makes no container with such a root."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(request: pytest.FixtureRequest, files_config: dict[str, Any]) -> AsyncGenerator[Place]:
    """The workspace of a container of the image's owner, or of an ordinary user."""
    policy = {"file_roots": ["/var", "/opt"], "read_only_root": False, "user": request.param}
    async with devbench_core.open(files_config | {"policy": policy}) as bench:
        spawned = await bench.containers.spawn(SpawnRequest())
        yield Place(lab=Lab(bench=bench, container=spawned.container.id, has_shell=True), folder=".")


@pytest.mark.parametrize("place", ["0", "1000"], indirect=True)
async def test_a_batch_needs_a_place_in_its_root(place: Place):
    files, container = place.files, place.container
    owner = (await files.stat(container, ".")).uid == 0
    await files.write(container, "/var/tmp/f", b"1", parents=True)
    batch = files.batch(
        container, [BatchWrite(path="/var/tmp/f", data=b"2"), BatchWrite(path="/var/tmp/g", data=b"")]
    )
    if owner:
        await batch
    else:
        error = await place.refused(FileFailed, batch)
        assert (
            "a batch puts its contents into its root, which the container's user may not write"
            in error.message
        )
        assert error.details["reason"] == "permission_denied"
    assert (await files.read(container, "/var/tmp/f")).data == (b"2" if owner else b"1")


@AS_OWNER
async def test_files_of_the_image_are_changed_conditionally(place: Place):
    before = (await place.files.read(place.container, "/var/lib/dpkg/status")).info
    written = await place.files.write(place.container, before.path, b"new", if_match=before.etag)
    assert not written.created
    assert written.info.mode == before.mode
    await place.files.batch(
        place.container, [BatchWrite(path="/var/lib/dpkg/status", data=b"newer", if_match=written.info.etag)]
    )
    assert (await place.files.read(place.container, before.path)).data == b"newer"


@AS_OWNER
async def test_a_folder_of_the_image_is_not_taken_away_by_halves(place: Place):
    files, container = place.files, place.container
    before = [info.path for info in (await files.find(container, "/var/lib/dpkg")).entries]
    error = await place.refused(FileFailed, files.delete(container, "/var/lib/dpkg", recursive=True))
    assert error.details["reason"] == "other_file_system"
    assert "by a command" in error.hint
    error = await place.refused(FileFailed, files.move(container, "/var/lib/dpkg", "/var/lib/moved"))
    assert error.details["reason"] == "other_file_system"
    for operation in (
        BatchDelete(path="/var/lib/dpkg", recursive=True),
        BatchMove(path="/var/lib/dpkg", target="/var/lib/moved"),
    ):
        error = await place.refused(
            FileFailed, files.batch(container, [BatchWrite(path="/var/first", data=b""), operation])
        )
        assert (error.details["reason"], error.details["operation"]) == ("other_file_system", 1)
    assert [info.path for info in (await files.find(container, "/var/lib/dpkg")).entries] == before
    assert not [info for info in (await files.list(container, "/var")).entries if info.path.name == "first"]
