"""Archives into a workspace, through a real agent."""

import asyncio
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from devbench_core.errors import (
    ArchiveRefused,
    FileConflict,
    FileFailed,
    PathOutside,
    TooLarge,
    ValidationFailed,
    Vetoed,
)
from devbench_core.files.settings import FileLimits
from devbench_core.model.archive import ArchiveFormat
from devbench_core.model.event import Veto
from devbench_core.testing.kit.hostile_archives import (
    BYTES_MAX,
    ENTRIES_MAX,
    RATIO_MAX,
    SPOOL_MAX,
    Hostile,
    by_tarfile,
    corpus,
    member,
    pax,
    tar,
    zipped,
)
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host

LIMITS = FileLimits(
    archive_max_entries=ENTRIES_MAX,
    archive_max_bytes=BYTES_MAX,
    archive_max_ratio=RATIO_MAX,
    archive_spool_max_bytes=SPOOL_MAX,
)
CORPUS = corpus()


async def pieces(data: bytes, size: int = 60_000) -> AsyncIterator[bytes]:
    """An archive as it comes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def picture(workspace: Path) -> dict[str, bytes | str | None]:
    """What is in a workspace."""
    seen: dict[str, bytes | str | None] = {}
    for path in workspace.rglob("*"):
        name = str(path.relative_to(workspace))
        seen[name] = (
            f"->{path.readlink()}" if path.is_symlink() else path.read_bytes() if path.is_file() else None
        )
    return seen


@pytest.fixture
async def strict(local_agent: LocalAgent) -> AsyncGenerator[Host]:
    """A host with low limits."""
    async with open_host(local_agent.connect, local_agent.token, file_limits=LIMITS) as opened:
        yield opened


async def gone(workspace: Path) -> None:
    """Wait until nothing that was staged is left."""
    async with asyncio.timeout(20):
        while any(workspace.glob(".devbench-tmp-*")):  # noqa: ASYNC240 - a local folder
            await asyncio.sleep(0.002)


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 60
    assert len({each.name for each in CORPUS}) == len(CORPUS)


@pytest.mark.loop_may_stall
@pytest.mark.parametrize("hostile", CORPUS, ids=lambda each: each.name)
async def test_a_hostile_archive_is_refused_exactly_or_harmless(
    strict: Host, local_agent: LocalAgent, hostile: Hostile
):
    workspace = local_agent.workspace
    (workspace / "fine").write_bytes(b"before")
    (workspace / "into").mkdir()
    before = picture(workspace)
    stream = pieces(hostile.data)
    if not hostile.refused:
        await strict.files.import_archive(C, "into", stream, format=hostile.format, set_id=hostile.set_id)
        assert picture(workspace / "into") == hostile.made
        assert all(path.lstat().st_mode & 0o7000 == 0 for path in workspace.rglob("*"))
        return
    with pytest.raises((ArchiveRefused, TooLarge)) as caught:
        await strict.files.import_archive(C, "into", stream, format=hostile.format, set_id=hostile.set_id)
    assert caught.value.details.get("reason", caught.value.details.get("setting")) == hostile.refused
    await gone(workspace)
    assert picture(workspace) == before


@pytest.mark.parametrize("format_", [ArchiveFormat.TAR, ArchiveFormat.TAR_GZ, ArchiveFormat.TAR_ZST])
async def test_a_tar_is_unpacked(host: Host, local_agent: LocalAgent, format_: ArchiveFormat):
    members = {"a": b"1", "d/b": os.urandom(200_000), "é/" + "n" * 200: b"long", "d/empty": b""}
    report = await host.files.import_archive(
        C, "x/y", pieces(by_tarfile(members, format_), 1000), format=format_
    )
    assert (report.entries, report.files, report.size_bytes) == (4, 4, 200_005)
    made = picture(local_agent.workspace / "x/y")
    assert {name: data for name, data in made.items() if data is not None} == members
    assert (local_agent.workspace / "x/y/a").stat().st_mtime == 1_600_000_000
    assert [event.name for event in host.events] == ["file.imported"]


async def test_a_zip_is_unpacked(host: Host, local_agent: LocalAgent):
    data = zipped([("d/", b"", 0o040750), ("d/x", b"x" * 100_000, 0o100755), ("l", b"d/x", 0o120777)])
    await host.files.import_archive(C, ".", pieces(data), format="zip")
    workspace = local_agent.workspace
    assert picture(workspace) == {"d": None, "d/x": b"x" * 100_000, "l": "->d/x"}
    assert (workspace / "d").stat().st_mode & 0o777 == 0o750
    assert (workspace / "d/x").stat().st_mode & 0o777 == 0o755
    assert (workspace / "d/x").stat().st_mtime == 1_577_836_800  # 2020-01-01, taken as UTC


async def test_a_large_zip_of_python_with_zip64(host: Host, local_agent: LocalAgent):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made, made.open("big", "w", force_zip64=True) as file:
        file.write(b"z" * 300_000)
    await host.files.import_archive(C, ".", pieces(out.getvalue()), format="zip")
    assert (local_agent.workspace / "big").read_bytes() == b"z" * 300_000


async def test_modes_times_and_hard_links_are_kept(host: Host, local_agent: LocalAgent):
    data = tar(
        member("d", kind=b"5", mode=0o555),
        pax({"mtime": b"1234567890.123456789"}),
        member("d/f", b"content", mode=0o751),
        member("d/h", kind=b"1", link="d/f"),
    )
    await host.files.import_archive(C, "in", pieces(data), format="tar")
    folder = local_agent.workspace / "in/d"
    assert folder.stat().st_mode & 0o777 == 0o555
    assert folder.stat().st_mtime == 1_500_000_000
    assert (folder / "f").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (folder / "f").stat().st_mode & 0o777 == 0o751
    assert (folder / "f").stat().st_ino == (folder / "h").stat().st_ino


async def test_what_was_there_stays_or_is_replaced(host: Host, local_agent: LocalAgent):
    workspace = local_agent.workspace
    (workspace / "d").mkdir(mode=0o711)
    (workspace / "d/old").write_text("old")
    (workspace / "d/f").symlink_to("old")
    data = tar(member("d", kind=b"5", mode=0o700), member("d/f", b"new"))
    with pytest.raises(FileConflict) as caught:
        await host.files.import_archive(C, ".", pieces(data), format="tar", overwrite=False)
    assert caught.value.details["path"] == "/workspace/d/f"
    await host.files.import_archive(C, ".", pieces(data), format="tar")
    assert picture(workspace) == {"d": None, "d/old": b"old", "d/f": b"new"}
    assert (workspace / "d").stat().st_mode & 0o777 == 0o711


async def test_what_is_in_the_way_refuses_all_of_it(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "in/b").mkdir(parents=True)
    data = tar(member("a", b"a"), member("b", b"b"))
    with pytest.raises(FileFailed) as caught:
        await host.files.import_archive(C, "in", pieces(data), format="tar")
    assert (caught.value.details["reason"], caught.value.details["path"]) == (
        "is_directory",
        "/workspace/in/b",
    )
    assert picture(local_agent.workspace) == {"in": None, "in/b": None}


async def test_members_one_after_the_other_are_one_archive(host: Host, local_agent: LocalAgent):
    raw = tar(member("a", b"a" * 5000))
    data = gzip.compress(raw[:3000]) + gzip.compress(raw[3000:]) + bytes(100)
    await host.files.import_archive(C, ".", pieces(data, 7), format="tar.gz")
    assert picture(local_agent.workspace) == {"a": b"a" * 5000}


async def test_a_stream_that_fails_changes_nothing(host: Host, local_agent: LocalAgent):
    async def broken() -> AsyncIterator[bytes]:
        yield tar(member("a", b"a"))[:-1024]
        raise ConnectionError("the client went away")

    with pytest.raises(ConnectionError):
        await host.files.import_archive(C, ".", broken(), format="tar")
    await gone(local_agent.workspace)
    assert picture(local_agent.workspace) == {}


async def test_each_path_is_reviewed(host: Host):
    await host.files.import_archive(C, "in", pieces(tar(member("a", b""), member("d/b", b""))), format="tar")
    assert [(r.operation, r.subject) for r in host.requests] == [
        ("file.import", "/workspace/in"),
        ("file.write", "/workspace/in/a"),
        ("file.write", "/workspace/in/d/b"),
    ]
    host.veto = Veto(clause="read_only", reason="hands off")
    with pytest.raises(Vetoed):
        await host.files.import_archive(C, "in", pieces(b""), format="tar")


async def test_bad_input_is_named(host: Host):
    with pytest.raises(PathOutside):
        await host.files.import_archive(C, "../x", pieces(b""), format="tar")
    with pytest.raises(ValidationFailed) as caught:
        await host.files.import_archive(C, "x", pieces(b""), format="rar")
    assert caught.value.details["field"] == "format"


@pytest.mark.timeout(400)  # it takes 40 s alone, and twice that beside the rest of the suite
@pytest.mark.loop_may_stall  # while the archive is made
async def test_fifty_thousand_entries(host: Host, local_agent: LocalAgent):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for i in range(50_000):
            made.addfile(tarfile.TarInfo(f"d{i % 500}/f{i}"))
    report = await host.files.import_archive(C, "many", pieces(out.getvalue(), 2**18), format="tar")
    assert report.files == 50_000
    assert sum(1 for _ in local_agent.workspace.rglob("f*")) == 50_000
