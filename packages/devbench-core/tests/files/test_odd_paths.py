"""Every odd path is handled exactly, or refused with the reason; in both ways of resolving."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from devbench_core.files.paths import RESERVED, absolute_path, name_text
from devbench_core.testing.kit.odd_texts import Text, texts
from harness.agent_host import CONTAINER_ID as C
from harness.file_bench import Bench, everything
from harness.odd_places import SECRET, Place, places, plant

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEXTS = list(texts())
PLACES = list(places())
OPERATIONS = ("read", "stat", "list", "delete", "write", "mkdir")


def name_of(case: Text | Place) -> str:
    """Return what a test report can show."""
    return case.name.encode("ascii", "backslashreplace").decode()


async def test_the_corpus_is_large_and_has_no_case_twice():
    cases = [*TEXTS, *PLACES]
    assert len(cases) >= 300
    assert len({case.name for case in cases}) == len(cases)


@pytest.mark.parametrize("case", [case for case in TEXTS if case.means is None], ids=name_of)
async def test_a_path_that_is_none_is_refused_by_every_operation(both: Bench, case: Text):
    found = {operation: await both.outcome(operation, case.path) for operation in OPERATIONS}
    assert found == dict.fromkeys(OPERATIONS, case.code)
    assert list(both.workspace.iterdir()) == []


@pytest.mark.parametrize("case", [case for case in TEXTS if case.means == b""], ids=name_of)
async def test_the_workspace_itself_can_be_looked_at_only(both: Bench, case: Text):
    found = [await both.outcome(operation, case.path) for operation in OPERATIONS]
    assert found == ["is_directory", "ok", "ok", "invalid", "is_directory", "exists"]


@pytest.mark.parametrize("case", [case for case in TEXTS if case.means], ids=name_of)
async def test_a_path_is_the_very_bytes_of_its_names(both: Bench, case: Text):
    assert case.means is not None
    for operation in ("read", "stat", "list", "delete"):
        assert await both.outcome(operation, case.path) == "file_not_found"
    await as_file(both, case.path, case.means)
    await as_folder(both, case.path, case.means)
    both.empty()


async def as_file(both: Bench, path: str, means: bytes) -> None:
    """Write, find and delete it; all of this is seen in the real folder."""
    data = os.urandom(8)
    written = await both.files.write(C, path, data, parents=True)
    assert written.created
    assert written.info.path == absolute_path(means)
    assert real_names(both.workspace, means) == [means.rpartition(b"/")[2]]
    root = os.open(both.workspace, os.O_RDONLY)
    with os.fdopen(os.open(means, os.O_RDONLY, dir_fd=root), "rb") as file:
        assert file.read() == data
    os.close(root)
    read = await both.files.read(C, path)
    assert (read.data, read.info) == (data, written.info)
    assert await both.files.stat(C, path) == written.info
    assert await both.files.stat(C, written.info.path) == written.info
    listed = await both.files.list(C, written.info.path.parent)
    assert listed.entries == (written.info,)
    await both.files.delete(C, path)
    assert real_names(both.workspace, means) == []


async def as_folder(both: Bench, path: str, means: bytes) -> None:
    """Make, list and delete it."""
    made = await both.files.mkdir(C, path, parents=True)
    assert made.path == absolute_path(means)
    assert real_names(both.workspace, means) == [means.rpartition(b"/")[2]]
    assert (await both.files.list(C, path)).entries == ()
    first = PurePosixPath(name_text(means.partition(b"/")[0]))
    await both.files.delete(C, f"./{first}", recursive=True)
    assert list(both.workspace.iterdir()) == []


def real_names(workspace: Path, means: bytes) -> list[bytes]:
    """Return the names in the real folder of a path."""
    root = os.open(workspace, os.O_RDONLY)
    folder = os.open(means.rpartition(b"/")[0] or b".", os.O_RDONLY, dir_fd=root)
    names = [os.fsencode(name) for name in os.listdir(folder)]  # noqa: PTH208 - a descriptor
    os.close(folder)
    os.close(root)
    return names


@pytest.mark.parametrize("case", PLACES, ids=name_of)
async def test_links_and_special_files_lead_nowhere_else(both: Bench, case: Place):
    outside = both.workspace.parent / "outside"
    if not outside.exists():
        plant(both.workspace)
    beside = everything(outside)
    before = everything(both.workspace)
    for operation in ("read", "stat", "list", "write", "mkdir", "delete"):
        wanted = getattr(case, operation)
        assert (operation, await both.outcome(operation, case.path)) == (operation, wanted)
        assert everything(outside) == beside
        if wanted != "ok":
            assert everything(both.workspace) == before
        elif operation in {"write", "mkdir", "delete"}:
            changed = set(everything(both.workspace).items()) ^ set(before.items())
            if operation == "write":
                assert {name for name, _ in changed} == {os.fsencode(both.workspace / case.real)}
                assert (both.workspace / case.real).read_bytes() == b"written"
            assert not any(RESERVED in name for name, _ in changed)
            afresh(both, outside)
            before, beside = everything(both.workspace), everything(outside)
    assert (outside / "secret").read_bytes() == SECRET


def afresh(both: Bench, outside: Path) -> None:
    """Plant everything anew."""
    both.empty()
    for entry in (outside / "sub", outside / "secret"):
        entry.unlink() if entry.is_file() else entry.rmdir()
    outside.rmdir()
    plant(both.workspace)
