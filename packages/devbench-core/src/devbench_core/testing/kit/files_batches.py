"""Batches, archives and streams on each runtime and image."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import PurePosixPath

import attrs
import pytest

from devbench_core.errors import (
    ArchiveRefused,
    DevbenchError,
    FileConflict,
    FileFailed,
    FileMissing,
    TooLarge,
)
from devbench_core.files import Files
from devbench_core.model.archive import ArchiveFormat
from devbench_core.model.batch import BatchDelete, BatchMkdir, BatchMove, BatchOperation, BatchWrite
from devbench_core.model.file import FileType
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost
from devbench_core.testing.kit.hostile_archives import Hostile, by_tarfile, member, pax, small, tar, zipped

HOSTILE = small()[::3]


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """An archive as it comes."""
    for start in range(0, len(data), 50_000):
        yield data[start : start + 50_000]


async def tree(lab: Lab, folder: str) -> dict[str, bytes | str | None]:
    """What is in a folder."""
    seen: dict[str, bytes | str | None] = {}
    waiting = [PurePosixPath(folder)]
    while waiting:
        here = waiting.pop()
        for info in (await lab.files.list(lab.container, here)).entries:
            name = str(info.path.relative_to(PurePosixPath("/workspace") / folder))
            if info.type is FileType.DIRECTORY:
                waiting.append(here / info.path.name)
                seen[name] = None
            elif info.type is FileType.SYMLINK:
                seen[name] = f"->{info.target}"
            else:
                seen[name] = (await lab.files.read(lab.container, here / info.path.name)).data
    return seen


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.batch, Files.import_archive, Files.export_archive)
class FilesBatchesContract(WithHost):
    """Batches, archives and streams."""

    async def test_a_batch_does_all_of_it(self, lab: Lab):
        folder = await lab.folder()
        etag = (await lab.files.write(lab.container, f"{folder}/old", b"1")).info.etag
        outcomes = await lab.files.batch(
            lab.container,
            [
                BatchWrite(path=f"{folder}/a/b", data=b"b", parents=True, mode=0o640),
                BatchWrite(path=f"{folder}/old", data=b"2", if_match=etag),
                BatchMove(path=f"{folder}/old", target=f"{folder}/a/moved"),
                BatchMkdir(path=f"{folder}/c/d", parents=True),
                BatchDelete(path=f"{folder}/c", recursive=True),
            ],
        )
        assert await tree(lab, folder) == {"a": None, "a/b": b"b", "a/moved": b"2"}
        infos = [outcome.info for outcome in outcomes]
        assert infos[0] == await lab.files.stat(lab.container, f"{folder}/a/b")
        assert infos[2] == await lab.files.stat(lab.container, f"{folder}/a/moved")

    async def test_a_durable_batch(self, lab: Lab):
        folder = await lab.folder()
        await lab.files.batch(lab.container, [BatchWrite(path=f"{folder}/f", data=b"x")], durable=True)
        assert await tree(lab, folder) == {"f": b"x"}

    @pytest.mark.parametrize(
        ("operation", "error_type"),
        [
            (BatchWrite(path="f", data=b"", if_match="0" * 32), FileConflict),
            (BatchWrite(path="f", data=b"", if_none_match=True), FileConflict),
            (BatchDelete(path="f", if_match="0" * 32), FileConflict),
            (BatchDelete(path="no"), FileMissing),
            (BatchDelete(path="d"), FileFailed),
            (BatchWrite(path="d", data=b""), FileFailed),
            (BatchWrite(path="no/f", data=b""), FileMissing),
            (BatchMove(path="f", target="d"), FileFailed),
            (BatchMove(path="d", target="d/e/x"), FileFailed),
            (BatchMkdir(path="f"), FileFailed),
        ],
        ids=lambda value: type(value).__name__ + value.path if hasattr(value, "path") else value.__name__,
    )
    async def test_a_refused_batch_changes_nothing(
        self, lab: Lab, operation: BatchOperation, error_type: type[DevbenchError]
    ):
        folder = await lab.folder()
        await lab.files.write(lab.container, f"{folder}/f", b"f")
        await lab.files.write(lab.container, f"{folder}/d/e/g", b"g", parents=True)
        before = await tree(lab, folder)
        placed = {
            name: f"{folder}/{getattr(operation, name)}"
            for name in ("path", "target")
            if hasattr(operation, name)
        }
        with pytest.raises(error_type) as caught:
            await lab.files.batch(
                lab.container,
                [
                    BatchWrite(path=f"{folder}/new", data=b""),
                    attrs.evolve(operation, **placed),
                    BatchDelete(path=f"{folder}/f"),
                ],
            )
        assert caught.value.details["operation"] == 1
        assert await tree(lab, folder) == before

    async def test_of_racing_batches_one_wins(self, lab: Lab):
        folder = await lab.folder()
        etags = [(await lab.files.write(lab.container, f"{folder}/{i}", b"")).info.etag for i in range(5)]

        async def attempt(number: int) -> None:
            await lab.files.batch(
                lab.container,
                [BatchWrite(path=f"{folder}/{i}", data=b"%d" % number, if_match=etags[i]) for i in range(5)],
            )

        results = await asyncio.gather(*(attempt(i) for i in range(8)), return_exceptions=True)
        winner = results.index(None)
        assert results.count(None) == 1
        assert set((await tree(lab, folder)).values()) == {b"%d" % winner}

    @needs(Trait.SHELL)
    async def test_processes_inside_see_whole_files(self, lab: Lab):
        """Each file is old or new at any moment; none is ever absent or cut."""
        folder = await lab.folder()
        sizes = [50_000 + i for i in range(40)]
        await lab.files.batch(
            lab.container, [BatchWrite(path=f"{folder}/f{i}", data=b"a" * n) for i, n in enumerate(sizes)]
        )
        look = "[ $(wc -c < f$i) -ge 50000 ] || exit 9"
        watch = f"cd {folder}; touch ready; while [ ! -e stop ]; do for i in 0 7 39; do {look}; done; done"
        watching = asyncio.create_task(lab.said(watch))
        while True:
            with suppress(FileMissing):
                await lab.files.stat(lab.container, f"{folder}/ready")
                break
        for letter in (b"b", b"c", b"d", b"e"):
            await lab.files.batch(
                lab.container,
                [BatchWrite(path=f"{folder}/f{i}", data=letter * n) for i, n in enumerate(sizes)],
            )
        await lab.files.write(lab.container, f"{folder}/stop", b"")
        await watching

    async def test_nothing_of_a_batch_is_left_to_be_seen(self, lab: Lab):
        folder = await lab.folder()
        await lab.files.batch(lab.container, [BatchWrite(path=f"{folder}/{i}", data=b"") for i in range(50)])
        if lab.has_shell:
            assert ".devbench-tmp" not in await lab.said("ls -a")

    @pytest.mark.parametrize("format_", [ArchiveFormat.TAR, ArchiveFormat.TAR_GZ, ArchiveFormat.TAR_ZST])
    async def test_a_tar_is_imported(self, lab: Lab, format_: ArchiveFormat):
        folder = await lab.folder()
        data = by_tarfile({"a": b"1", "d/b": os.urandom(100_000), "n" * 120: b""}, format_)
        report = await lab.files.import_archive(lab.container, folder, pieces(data), format=format_)
        assert (report.files, report.size_bytes) == (3, 100_001)
        assert set(await tree(lab, folder)) == {"a", "d", "d/b", "n" * 120}

    async def test_a_zip_is_imported(self, lab: Lab):
        folder = await lab.folder()
        data = zipped([("d/x", b"x" * 5000, 0o100755), ("l", b"d/x", 0o120777)])
        await lab.files.import_archive(lab.container, folder, pieces(data), format="zip")
        assert await tree(lab, folder) == {"d": None, "d/x": b"x" * 5000, "l": "->d/x"}
        assert (await lab.files.stat(lab.container, f"{folder}/d/x")).mode == 0o755

    async def test_modes_and_times_are_the_archives_and_the_owner_is_the_user(self, lab: Lab):
        folder = await lab.folder()
        mine = (await lab.files.write(lab.container, f"{folder}/mine", b"")).info
        data = tar(
            member("d", kind=b"5", mode=0o550),
            pax({"mtime": b"1234567890.5"}),
            member("d/f", b"x", mode=0o4711),
        )
        await lab.files.import_archive(lab.container, folder, pieces(data), format="tar")
        made = await lab.files.stat(lab.container, f"{folder}/d/f")
        assert (made.mode, made.modified_at.timestamp()) == (0o711, 1_234_567_890.5)
        assert (made.uid, made.gid) == (mine.uid, mine.gid)
        assert (await lab.files.stat(lab.container, f"{folder}/d")).mode == 0o550

    @pytest.mark.parametrize("hostile", HOSTILE, ids=lambda each: each.name)
    async def test_a_hostile_archive_is_refused_or_harmless(self, lab: Lab, hostile: Hostile):
        folder = await lab.folder()
        await lab.files.write(lab.container, f"{folder}/fine", b"before")
        where = f"{folder}/into"
        importing = lab.files.import_archive(
            lab.container, where, pieces(hostile.data), format=hostile.format, set_id=hostile.set_id
        )
        if not hostile.refused:
            await importing
            assert await tree(lab, where) == hostile.made
            return
        with pytest.raises((ArchiveRefused, TooLarge)) as caught:
            await importing
        assert caught.value.details.get("reason", caught.value.details.get("setting")) == hostile.refused
        assert await tree(lab, folder) == {"fine": b"before"}

    @pytest.mark.parametrize("format_", list(ArchiveFormat))
    async def test_what_is_exported_is_imported_the_same(self, lab: Lab, format_: ArchiveFormat):
        folder = await lab.folder()
        big = os.urandom(2_000_000)
        await lab.files.batch(
            lab.container,
            [
                BatchWrite(path=f"{folder}/from/a/b", data=b"b", parents=True),
                BatchWrite(path=f"{folder}/from/big", data=big),
                BatchWrite(path=f"{folder}/from/left.log", data=b""),
                BatchMkdir(path=f"{folder}/from/empty"),
            ],
        )
        stream = lab.files.export_archive(lab.container, f"{folder}/from", format=format_, ignore=["*.log"])
        await lab.files.import_archive(lab.container, f"{folder}/to", stream, format=format_)
        seen = await tree(lab, f"{folder}/to")
        assert seen == {"a": None, "a/b": b"b", "big": big, "empty": None}

    async def test_a_stream_goes_in_and_comes_out(self, lab: Lab):
        folder = await lab.folder()
        wanted = hashlib.sha256()

        async def stream() -> AsyncIterator[bytes]:
            for i in range(40):
                piece = bytes([i]) * 200_001
                wanted.update(piece)
                yield piece

        written = await lab.files.write_stream(lab.container, f"{folder}/f", stream())
        got = hashlib.sha256()
        async with lab.files.read_stream(lab.container, f"{folder}/f") as reading:
            assert reading.info == written.info
            async for piece in reading:
                got.update(piece)
        assert got.digest() == wanted.digest()

    async def test_a_stream_that_breaks_changes_nothing(self, lab: Lab):
        folder = await lab.folder()

        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise ConnectionError

        await lab.files.write(lab.container, f"{folder}/f", b"old")
        with pytest.raises(ConnectionError):
            await lab.files.write_stream(lab.container, f"{folder}/f", broken())
        assert await tree(lab, folder) == {"f": b"old"}
