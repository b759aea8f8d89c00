"""Files beneath further roots than the workspace, on each runtime and image."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import PurePosixPath

import pytest
import pytest_asyncio

from devbench_core.containers import SpawnRequest
from devbench_core.errors import FileFailed, FileMissing, PathOutside, ValidationFailed
from devbench_core.files import Files
from devbench_core.model.batch import BatchDelete, BatchMkdir, BatchWrite
from devbench_core.model.policy import Clause, Policy
from devbench_core.testing.kit.claims import Claims, Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import Place
from devbench_core.testing.kit.held import skip_without
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import OpenHost, WithHost

TMP, ETC, ABSENT = "/tmp", "/etc", "/srv/none/of/these"


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Policy, Files)
class FilesRootsContract(WithHost):
    """Files beneath further roots than the workspace."""

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def rooted_lab(cls, open_host: OpenHost, claims: Claims) -> AsyncGenerator[Lab]:
        """A container whose files in /tmp and /etc can be reached too."""
        skip_without(claims, Trait.OWN_ROOT)
        async with open_host(policy={"file_roots": [TMP, ETC, ABSENT]}) as bench:
            spawned = await bench.containers.spawn(SpawnRequest())
            assert spawned.container.spec.policy.file_roots == (TMP, ETC, ABSENT)
            yield Lab(bench=bench, container=spawned.container.id, has_shell=claims.has(Trait.SHELL))

    @pytest_asyncio.fixture(loop_scope="class")
    async def rooted(self, rooted_lab: Lab) -> Place:
        """A folder of its own in its workspace."""
        return Place(lab=rooted_lab, folder=await rooted_lab.folder())

    @pytest_asyncio.fixture(loop_scope="class")
    async def folder(self, rooted: Place) -> str:
        """A folder of its own in /tmp."""
        where = f"{TMP}/{rooted.folder}"
        await rooted.files.mkdir(rooted.container, where)
        return where

    async def test_files_outside_of_the_workspace_are_worked_with_as_those_in_it(
        self, rooted: Place, folder: str
    ):
        files, container = rooted.files, rooted.container
        written = await files.write(container, f"{folder}/a/f", b"one\ntwo\n", parents=True)
        assert written.info.path == PurePosixPath(folder, "a/f")
        assert (await files.read(container, f"{folder}/a/f")).info == written.info
        again = await files.write(container, f"{folder}/a/f", b"three\n", if_match=written.info.etag)
        assert (await files.stat(container, f"{folder}/a/f")).etag == again.info.etag
        assert [info.path.name for info in (await files.list(container, folder)).entries] == ["a"]
        assert (await files.grep(container, "three", folder)).files[0].info.path == PurePosixPath(
            folder, "a/f"
        )
        assert (await files.chmod(container, f"{folder}/a/f", 0o600)).info.mode == 0o600
        await files.copy(container, f"{folder}/a", f"{folder}/b", recursive=True)
        await files.move(container, f"{folder}/b", f"{folder}/c")
        await files.delete(container, f"{folder}/a", recursive=True)
        assert [info.path.name for info in (await files.list(container, folder)).entries] == ["c"]

    @needs(Trait.SHELL)
    async def test_commands_see_what_was_written_there_and_the_other_way_round(
        self, rooted: Place, folder: str
    ):
        await rooted.files.write(rooted.container, f"{folder}/in", b"from outside\n")
        command = await rooted.start_shell(f"cat {folder}/in > {folder}/out; ln -s in {folder}/link")
        assert await rooted.ended_well(command)
        assert (await rooted.files.read(rooted.container, f"{folder}/out")).data == b"from outside\n"
        assert (await rooted.files.read(rooted.container, f"{folder}/link")).data == b"from outside\n"

    async def test_a_batch_and_an_archive_happen_within_a_root(self, rooted: Place, folder: str):
        files, container = rooted.files, rooted.container
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
                container,
                [BatchWrite(path=f"{folder}/f", data=b""), BatchWrite(path=rooted.at("f"), data=b"")],
            )
        listed = await files.list(container, TMP)
        assert not [info for info in listed.entries if info.path.name.startswith(".devbench-tmp-")]

    async def test_a_copy_goes_between_roots_and_a_move_between_file_systems_says_what_to_do(
        self, rooted: Place, folder: str
    ):
        await rooted.write("tree/f", b"f")
        copied = await rooted.files.copy(
            rooted.container, rooted.at("tree"), f"{folder}/tree", recursive=True
        )
        assert copied.info.path == PurePosixPath(folder, "tree")
        for source, target in ((rooted.at("tree/f"), f"{folder}/g"), (f"{folder}/tree", rooted.at("moved"))):
            error = await rooted.refused(FileFailed, rooted.files.move(rooted.container, source, target))
            assert error.details["reason"] == "other_file_system"
            assert {error.details["root"], error.details["target_root"]} == {"/workspace", TMP}
            assert "from the root" in error.message
            assert error.hint == "copy it, then delete the first"
        assert await rooted.data("tree/f") == b"f"

    async def test_changes_in_a_root_are_watched(self, rooted: Place, folder: str):
        page = await rooted.files.changes(rooted.container, folder)
        await rooted.files.write(rooted.container, f"{folder}/f", b"1")
        page = await rooted.files.changes(rooted.container, folder, cursor=page.cursor, wait_s=10)
        assert [change.path for change in page.changes] == [PurePosixPath(folder, "f")]

    @needs(Clause.READ_ONLY_ROOT)
    async def test_a_root_on_the_read_only_file_system_can_be_read_and_says_so(self, rooted: Place):
        names = [info.path.name for info in (await rooted.files.list(rooted.container, ETC)).entries]
        assert "hosts" in names
        assert (await rooted.files.read(rooted.container, f"{ETC}/hosts")).data
        for change in (
            rooted.files.write(rooted.container, f"{ETC}/new", b"x"),
            rooted.files.mkdir(rooted.container, f"{ETC}/new"),
            rooted.files.batch(rooted.container, [BatchWrite(path=f"{ETC}/new", data=b"x")]),
            rooted.files.copy(rooted.container, f"{ETC}/hosts", f"{ETC}/new"),
        ):
            error = await rooted.refused(FileFailed, change)
            assert error.details["reason"] == "read_only"
        copied = await rooted.files.copy(rooted.container, f"{ETC}/hosts", rooted.at("hosts"))
        assert copied.info.size_bytes > 0

    async def test_a_root_that_the_image_does_not_have_is_named(self, rooted: Place):
        for call in (
            rooted.files.read(rooted.container, f"{ABSENT}/f"),
            rooted.files.write(rooted.container, f"{ABSENT}/f", b"x", parents=True),
            rooted.files.mkdir(rooted.container, ABSENT, parents=True),
        ):
            error = await rooted.refused(FileFailed, call)
            assert f"its root '{ABSENT}' does not exist" in error.message

    async def test_what_is_beneath_no_root_stays_outside(self, rooted: Place, folder: str):
        for path in ("/usr/bin", "/", "/tmpx", "/srv", f"{folder}/../../usr", "/proc/self/root/tmp"):
            error = await rooted.refused(PathOutside, rooted.files.stat(rooted.container, path))
            assert f"beneath /workspace or {TMP} or {ETC} or {ABSENT}" in error.hint
        await rooted.refused(FileMissing, rooted.files.stat(rooted.container, f"{folder}/nothing"))

    @needs(Trait.SHELL)
    async def test_no_link_leads_from_one_root_into_another(self, rooted: Place, folder: str):
        links = {
            "to-workspace": f"../../workspace/{rooted.folder}/f",
            "by-name": f"{folder}/f",
            "to-etc": "../../etc/hosts",
        }
        await rooted.write("f", b"secret")
        await rooted.files.write(rooted.container, f"{folder}/f", b"secret")
        command = await rooted.start_shell(
            "; ".join(f"ln -s {to} {folder}/{name}" for name, to in links.items())
        )
        assert await rooted.ended_well(command)
        for name in links:
            for call in (
                rooted.files.read(rooted.container, f"{folder}/{name}"),
                rooted.files.write(rooted.container, f"{folder}/{name}", b"gotcha"),
            ):
                await rooted.refused(PathOutside, call)
        assert await rooted.data("f") == b"secret"
