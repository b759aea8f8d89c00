"""Files beneath further roots than the workspace, on each runtime and image."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import PurePosixPath
from typing import Any

import pytest
import pytest_asyncio

import devbench_core
from contract.files.place import Place
from devbench_core.containers import SpawnRequest
from devbench_core.errors import FileFailed, FileMissing, PathOutside, ValidationFailed
from devbench_core.model.batch import BatchDelete, BatchMkdir, BatchWrite

pytestmark = pytest.mark.asyncio(loop_scope="module")
TMP, ETC, ABSENT = "/tmp", "/etc", "/srv/none/of/these"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_place(files_config: dict[str, Any], where_it_runs: str) -> AsyncGenerator[Place]:
    """A container whose files in /tmp and /etc can be reached too."""
    runtime, _, image = where_it_runs.partition("-")
    config = files_config | {"policy": {"file_roots": [TMP, ETC, ABSENT]}}
    async with devbench_core.open(config) as bench:
        spawned = await bench.containers.spawn(SpawnRequest())
        assert spawned.container.spec.policy.file_roots == (TMP, ETC, ABSENT)
        yield Place(bench=bench, container=spawned.container.id, runtime=runtime, image=image, folder=".")


@pytest_asyncio.fixture(loop_scope="module")
async def folder(place: Place) -> str:
    """A folder of its own in /tmp."""
    where = f"{TMP}/{place.folder}"
    await place.files.mkdir(place.container, where)
    return where


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_files_outside_of_the_workspace_are_worked_with_as_those_in_it(place: Place, folder: str):
    files, container = place.files, place.container
    written = await files.write(container, f"{folder}/a/f", b"one\ntwo\n", parents=True)
    assert written.info.path == PurePosixPath(folder, "a/f")
    assert (await files.read(container, f"{folder}/a/f")).info == written.info
    again = await files.write(container, f"{folder}/a/f", b"three\n", if_match=written.info.etag)
    assert (await files.stat(container, f"{folder}/a/f")).etag == again.info.etag
    assert [info.path.name for info in (await files.list(container, folder)).entries] == ["a"]
    assert (await files.grep(container, "three", folder)).files[0].info.path == PurePosixPath(folder, "a/f")
    assert (await files.chmod(container, f"{folder}/a/f", 0o600)).info.mode == 0o600
    await files.copy(container, f"{folder}/a", f"{folder}/b", recursive=True)
    await files.move(container, f"{folder}/b", f"{folder}/c")
    await files.delete(container, f"{folder}/a", recursive=True)
    assert [info.path.name for info in (await files.list(container, folder)).entries] == ["c"]


async def test_commands_see_what_was_written_there_and_the_other_way_round(place: Place, folder: str):
    await place.files.write(place.container, f"{folder}/in", b"from outside\n")
    command = await place.start_shell(f"cat {folder}/in > {folder}/out; ln -s in {folder}/link")
    if await place.ended_well(command):
        assert (await place.files.read(place.container, f"{folder}/out")).data == b"from outside\n"
        assert (await place.files.read(place.container, f"{folder}/link")).data == b"from outside\n"


async def test_a_batch_and_an_archive_happen_within_a_root(place: Place, folder: str):
    files, container = place.files, place.container
    await files.batch(
        container,
        [
            BatchWrite(path=f"{folder}/deep/f", data=b"1", parents=True),
            BatchMkdir(path=f"{folder}/gone"),
            BatchDelete(path=f"{folder}/gone"),
        ],
        durable=True,
    )
    data = b"".join([piece async for piece in files.export_archive(container, folder, format="tar")])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["deep", "deep/f"]
    await files.import_archive(container, f"{folder}/again", pieces(data), format="tar")
    assert (await files.read(container, f"{folder}/again/deep/f")).data == b"1"
    with pytest.raises(ValidationFailed, match="a batch is within one root"):
        await files.batch(
            container, [BatchWrite(path=f"{folder}/f", data=b""), BatchWrite(path=place.at("f"), data=b"")]
        )
    listed = await files.list(container, TMP)
    assert not [info for info in listed.entries if info.path.name.startswith(".devbench-tmp-")]


async def test_a_copy_goes_between_roots_and_a_move_between_file_systems_says_what_to_do(
    place: Place, folder: str
):
    await place.write("tree/f", b"f")
    copied = await place.files.copy(place.container, place.at("tree"), f"{folder}/tree", recursive=True)
    assert copied.info.path == PurePosixPath(folder, "tree")
    for source, target in ((place.at("tree/f"), f"{folder}/g"), (f"{folder}/tree", place.at("moved"))):
        error = await place.refused(FileFailed, place.files.move(place.container, source, target))
        assert error.details["reason"] == "other_file_system"
        assert {error.details["root"], error.details["target_root"]} == {"/workspace", TMP}
        assert "from the root" in error.message
        assert error.hint == "copy it, then delete the first"
    assert await place.data("tree/f") == b"f"


async def test_changes_in_a_root_are_watched(place: Place, folder: str):
    page = await place.files.changes(place.container, folder)
    await place.files.write(place.container, f"{folder}/f", b"1")
    page = await place.files.changes(place.container, folder, cursor=page.cursor, wait_s=10)
    assert [change.path for change in page.changes] == [PurePosixPath(folder, "f")]


async def test_a_root_on_the_read_only_file_system_can_be_read_and_says_so(place: Place):
    names = [info.path.name for info in (await place.files.list(place.container, ETC)).entries]
    assert "hosts" in names
    assert (await place.files.read(place.container, f"{ETC}/hosts")).data
    for change in (
        place.files.write(place.container, f"{ETC}/new", b"x"),
        place.files.mkdir(place.container, f"{ETC}/new"),
        place.files.batch(place.container, [BatchWrite(path=f"{ETC}/new", data=b"x")]),
        place.files.copy(place.container, f"{ETC}/hosts", f"{ETC}/new"),
    ):
        error = await place.refused(FileFailed, change)
        assert error.details["reason"] == "read_only"
    copied = await place.files.copy(place.container, f"{ETC}/hosts", place.at("hosts"))
    assert copied.info.size_bytes > 0


async def test_a_root_that_the_image_does_not_have_is_named(place: Place):
    for call in (
        place.files.read(place.container, f"{ABSENT}/f"),
        place.files.write(place.container, f"{ABSENT}/f", b"x", parents=True),
        place.files.mkdir(place.container, ABSENT, parents=True),
    ):
        error = await place.refused(FileFailed, call)
        assert f"its root '{ABSENT}' does not exist" in error.message


async def test_what_is_beneath_no_root_stays_outside(place: Place, folder: str):
    for path in ("/usr/bin", "/", "/tmpx", "/srv", f"{folder}/../../usr", "/proc/self/root/tmp"):
        error = await place.refused(PathOutside, place.files.stat(place.container, path))
        assert f"beneath /workspace or {TMP} or {ETC} or {ABSENT}" in error.hint
    await place.refused(FileMissing, place.files.stat(place.container, f"{folder}/nothing"))


async def test_no_link_leads_from_one_root_into_another(place: Place, folder: str):
    links = {
        "to-workspace": f"../../workspace/{place.folder}/f",
        "by-name": f"{folder}/f",
        "to-etc": "../../etc/hosts",
    }
    await place.write("f", b"secret")
    await place.files.write(place.container, f"{folder}/f", b"secret")
    command = await place.start_shell("; ".join(f"ln -s {to} {folder}/{name}" for name, to in links.items()))
    if not await place.ended_well(command):
        return
    for name in links:
        for call in (
            place.files.read(place.container, f"{folder}/{name}"),
            place.files.write(place.container, f"{folder}/{name}", b"gotcha"),
        ):
            await place.refused(PathOutside, call)
    assert await place.data("f") == b"secret"
