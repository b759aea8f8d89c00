"""Archives out of a workspace, through a real agent."""

import asyncio
import gzip
import io
import os
import sys
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import AsyncIterable
from contextlib import aclosing
from pathlib import Path

import pytest

from devbench_core.errors import FileConflict, FileFailed, FileMissing, TooLarge, ValidationFailed, Vetoed
from devbench_core.files.ignoring import Ignore
from devbench_core.files.settings import FileLimits
from devbench_core.model.archive import ArchiveFormat
from devbench_core.model.event import Veto
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 2**20
BIG = os.urandom(3 * MIB + 17)


async def collected(stream: AsyncIterable[bytes]) -> bytes:
    """All of an archive."""
    return b"".join([piece async for piece in stream])


def plant(folder: Path) -> dict[str, bytes | str | None]:
    """Put things of all kinds there; return what an export must hold."""
    (folder / "a/deep").mkdir(parents=True)
    (folder / "a/deep/f").write_bytes(b"f")
    (folder / "a/big").write_bytes(BIG)
    (folder / "empty").mkdir(mode=0o750)
    (folder / "run.sh").write_bytes(b"#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    os.utime(folder / "run.sh", ns=(0, 1_234_567_890_123_456_789))
    (folder / "link").symlink_to("a/deep/f")
    (folder / ("n" * 150)).write_bytes(b"long")
    (folder / "é").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    return {
        "a": None,
        "a/big": BIG,
        "a/deep": None,
        "a/deep/f": b"f",
        "empty": None,
        "link": "a/deep/f",
        "n" * 150: b"long",
        "run.sh": b"#!/bin/sh\n",
        "é": b"",
    }


def in_tar(data: bytes) -> dict[str, bytes | str | None]:
    """What Python's reader finds."""
    seen: dict[str, bytes | str | None] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            seen[member.name] = member.linkname if member.issym() else file.read() if file else None
    return seen


def in_zip(data: bytes) -> dict[str, bytes | str | None]:
    """What Python's reader finds."""
    seen: dict[str, bytes | str | None] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            link = info.external_attr >> 28 == 0o12
            content = archive.read(info)
            seen[info.filename.rstrip("/")] = content.decode() if link else None if info.is_dir() else content
    return seen


@pytest.mark.parametrize("format_", list(ArchiveFormat))
async def test_a_folder_is_exported_whole_and_in_order(
    host: Host, local_agent: LocalAgent, format_: ArchiveFormat
):
    wanted = plant(local_agent.workspace)
    data = await collected(host.files.export_archive(C, format=format_))
    unpacked = (
        gzip.decompress(data)
        if format_ == "tar.gz"
        else zstd.decompress(data)
        if format_ == "tar.zst"
        else data
    )
    found = in_zip(unpacked) if format_ is ArchiveFormat.ZIP else in_tar(unpacked)
    assert found == wanted
    assert list(found) == sorted(wanted, key=os.fsencode)


@pytest.mark.parametrize("format_", list(ArchiveFormat))
async def test_what_is_exported_is_imported_the_same(
    host: Host, local_agent: LocalAgent, format_: ArchiveFormat
):
    workspace = local_agent.workspace
    (workspace / "from").mkdir()
    wanted = plant(workspace / "from")
    stream = host.files.export_archive(C, "from", format=format_)
    report = await host.files.import_archive(C, "to", stream, format=format_)
    assert report.entries == len(wanted)
    for name in wanted:
        one, two = workspace / "from" / name, workspace / "to" / name
        assert one.lstat().st_mode == two.lstat().st_mode or one.is_symlink()
        if one.is_file():
            assert one.read_bytes() == two.read_bytes()
            coarse = 2 * 10**9 if format_ is ArchiveFormat.ZIP else 1
            assert abs(one.stat().st_mtime_ns - two.stat().st_mtime_ns) < coarse


async def test_names_that_are_no_text_survive(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "from").mkdir()
    (local_agent.workspace / os.fsdecode(b"from/\xff\xfe")).write_bytes(b"x")
    for format_ in ArchiveFormat:
        stream = host.files.export_archive(C, "from", format=format_)
        await host.files.import_archive(C, f"to {format_}", stream, format=format_)
        made = (local_agent.workspace / f"to {format_}").iterdir()
        assert [os.fsencode(path.name) for path in made] == [b"\xff\xfe"]


async def test_a_single_file_is_exported_under_its_name(host: Host, local_agent: LocalAgent):
    plant(local_agent.workspace)
    assert in_tar(await collected(host.files.export_archive(C, "a/deep/f", format="tar"))) == {"f": b"f"}
    assert in_tar(await collected(host.files.export_archive(C, "empty", format="tar"))) == {}


async def test_patterns_leave_things_out(host: Host, local_agent: LocalAgent):
    wanted = plant(local_agent.workspace)
    data = await collected(
        host.files.export_archive(C, format="tar", ignore=["big", "/empty/", "*.sh", "!run.sh"])
    )
    assert set(in_tar(data)) == set(wanted) - {"a/big", "empty"}
    data = await collected(host.files.export_archive(C, format="tar", ignore=["a/"]))
    assert not any(name.startswith("a") for name in in_tar(data))


@pytest.mark.parametrize(
    ("pattern", "path", "folder", "out"),
    [
        ("*.pyc", "a/b.pyc", False, True),
        ("*.pyc", "b.pyc/c", False, False),
        ("/b", "b", False, True),
        ("/b", "a/b", False, False),
        ("a/*", "a/b", False, True),
        ("a/*", "a/b/c", False, False),
        ("a/**", "a/b/c", False, True),
        ("**/x", "x", False, True),
        ("**/x", "a/b/x", False, True),
        ("b/", "a/b", True, True),
        ("b/", "a/b", False, False),
        ("?", "a", False, True),
        ("?", "ab", False, False),
        ("# b", "# b", False, False),
        ("[a]", "a", False, False),
    ],
)
def test_what_a_pattern_matches(pattern: str, path: str, folder: bool, out: bool):
    assert Ignore([pattern]).leaves_out(path, folder=folder) is out


def test_the_last_pattern_counts():
    rules = Ignore(["*.log", "!keep.log", ""])
    assert rules.leaves_out("a.log", folder=False)
    assert not rules.leaves_out("keep.log", folder=False)
    with pytest.raises(ValidationFailed):
        Ignore(["*" * 9])
    with pytest.raises(ValidationFailed):
        Ignore(["x"] * 1001)


@pytest.mark.loop_may_stall
async def test_a_file_that_changes_meanwhile_is_whole_as_of_one_moment(host: Host, local_agent: LocalAgent):
    path = local_agent.workspace / "f"
    path.write_bytes(b"a" * 300_000)
    over = threading.Event()

    def change() -> None:
        while not over.wait(0.02):
            for letter in (b"b", b"a"):
                path.write_bytes(letter * 300_000)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(10):
            try:
                found = in_tar(await collected(host.files.export_archive(C, format="tar")))
            except FileConflict:
                continue
            content = found["f"]
            assert isinstance(content, bytes)
            assert len(set(content)) <= 1
    finally:
        over.set()
        thread.join()


async def test_a_large_file_that_changes_while_it_goes_out_is_as_it_was(host: Host, local_agent: LocalAgent):
    path = local_agent.workspace / "f"
    before = os.urandom(30 * MIB)
    path.write_bytes(before)
    got = bytearray()
    async for piece in host.files.export_archive(C, format="tar"):
        got += piece
        with path.open("r+b") as file:
            file.write(b"changed")
            file.truncate(20 * MIB)
    assert in_tar(bytes(got))["f"] == before
    assert [found.name for found in local_agent.workspace.iterdir()] == ["f"]


async def test_small_files_that_grow_after_they_were_listed_take_no_more_memory_than_large_ones(
    host: Host, local_agent: LocalAgent
):
    count, grown = 30, 16 * MIB
    for number in range(count):
        (local_agent.workspace / f"f{number:02}").write_bytes(b"small")
    sizes: list[int] = []
    tracemalloc.start()
    try:
        async for piece in host.files.export_archive(C, format="tar"):
            if not sizes:
                for number in range(10, count):
                    os.truncate(local_agent.workspace / f"f{number:02}", grown)
            sizes.append(len(piece))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) > (count - 10) * grown
    assert peak < grown


async def test_a_large_file_that_is_not_copied_may_grow_and_nothing_else(local_agent: LocalAgent):
    path = local_agent.workspace / "f"
    before = os.urandom(30 * MIB)
    path.write_bytes(before)
    limits = FileLimits(export_copy_max_bytes=0)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        got = bytearray()
        async for piece in host.files.export_archive(C, format="tar"):
            got += piece
            with path.open("ab") as file:
                file.write(b"more")
        assert in_tar(bytes(got))["f"] == before
        got.clear()
        with pytest.raises(FileConflict) as caught:  # noqa: PT012 - it comes after some pieces
            async for piece in host.files.export_archive(C, format="tar"):
                got += piece
                with path.open("r+b") as file:
                    file.write(os.urandom(8))
        assert caught.value.details["path"] == "/workspace/f"
        with pytest.raises(tarfile.ReadError):
            in_tar(bytes(got[:-5000]))


async def test_a_file_without_room_for_a_copy_is_read_as_it_is(local_agent: LocalAgent):
    (local_agent.workspace / "f").write_bytes(BIG)
    limits = FileLimits(export_copy_max_bytes=len(BIG) - 1)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        assert in_tar(await collected(host.files.export_archive(C, format="tar")))["f"] == BIG


async def test_a_file_that_never_holds_still_ends_the_export_after_so_many_attempts(local_agent: LocalAgent):
    path = local_agent.workspace / "f"
    path.touch()
    os.truncate(path, 256 * MIB)  # it is gone over for longer than a writer ever rests
    program = (
        "import os,sys\nf=os.open(sys.argv[1],1)\nn=0\nwhile 1: n+=1; os.pwrite(f,n.to_bytes(8,'big'),0)"
    )
    limits = FileLimits(export_attempts=1)
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", program, path)
    try:
        async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
            with pytest.raises(FileConflict) as caught:
                await collected(host.files.export_archive(C, format="tar"))
    finally:
        writer.kill()
        await writer.wait()
    assert caught.value.details == {
        "path": "/workspace/f",
        "etag": "",
        "limit": 1,
        "setting": "files.export_attempts",
    }


async def test_archives_in_files_wait_for_places_and_not_for_each_other(local_agent: LocalAgent):
    plant(local_agent.workspace / "from")
    limits = FileLimits(concurrent_max=2)
    async with (
        open_host(local_agent.connect, local_agent.token, file_limits=limits) as host,
        asyncio.timeout(60),
    ):
        files = host.files
        made = await asyncio.gather(
            *(files.export_file(C, "from", f"out/{i}", format="tar") for i in range(6))
        )
        assert len({written.info.size_bytes for written in made}) == 1
        await asyncio.gather(*(files.import_file(C, f"in/{i}", f"out/{i}", format="tar") for i in range(6)))
        assert (local_agent.workspace / "in/5/a/big").read_bytes() == BIG


async def test_an_archive_in_a_file_is_not_in_itself_and_replaces_nothing(
    host: Host, local_agent: LocalAgent
):
    (local_agent.workspace / "f").write_bytes(BIG)
    await host.files.export_file(C, ".", "all.tar", format="tar")
    assert in_tar((local_agent.workspace / "all.tar").read_bytes()) == {"f": BIG}
    with pytest.raises(FileConflict):
        await host.files.export_file(C, ".", "all.tar", format="tar")


async def test_an_export_may_be_left_in_the_middle(host: Host, local_agent: LocalAgent):
    plant(local_agent.workspace)
    async with aclosing(host.files.export_archive(C, format="zip")) as stream:
        async for piece in stream:
            assert piece
            break
    await host.files.stat(C, "a")
    assert len(asyncio.all_tasks()) < 10


async def test_faults_and_limits_are_named(local_agent: LocalAgent):
    limits = FileLimits(archive_max_entries=3, archive_max_bytes=100)
    workspace = local_agent.workspace
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        for i in range(4):
            (workspace / f"f{i}").write_bytes(b"")
        with pytest.raises(TooLarge) as caught:
            await collected(host.files.export_archive(C, format="tar"))
        assert caught.value.details == {"limit": 3, "setting": "files.archive_max_entries"}
        (workspace / "f0").write_bytes(bytes(101))
        with pytest.raises(TooLarge) as caught:
            await collected(host.files.export_archive(C, "f0", format="zip"))
        assert caught.value.details == {"limit": 100, "setting": "files.archive_max_bytes"}
        with pytest.raises(FileMissing):
            await collected(host.files.export_archive(C, "no", format="tar"))
        with pytest.raises(FileFailed):
            await collected(host.files.export_archive(C, "f0/x", format="tar"))
        host.veto = Veto(clause="secret", reason="stays here")
        with pytest.raises(Vetoed):
            await collected(host.files.export_archive(C, format="tar"))
        assert host.requests[-1].operation == "file.export"


async def test_an_export_of_many_small_files(host: Host, local_agent: LocalAgent):
    for i in range(2500):
        folder = local_agent.workspace / f"d{i % 7}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{i}").write_bytes(b"%d" % i)
    found = in_tar(await collected(host.files.export_archive(C, format="tar")))
    assert len(found) == 2507
    assert found["d1/f8"] == b"8"
