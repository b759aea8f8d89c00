"""Operations run as the container's user: what is another's is another's, and is said so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from devbench_core.errors import FileFailed
from devbench_core.files import Files
from devbench_core.model.filechange import Replacement
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import Place, WithPlace

Operation = Callable[[Place], Awaitable[object]]
SECRET, READABLE, CLOSED = "secret", "readable", "closed/f"


def owner(path: Path) -> int:
    return path.stat().st_uid


CHANGE = [Replacement(old="root", new="mine")]
DENIED: dict[str, tuple[str, Operation]] = {
    "read": (SECRET, lambda p: p.data(SECRET)),
    "read_lines": (SECRET, lambda p: p.files.read_lines(p.container, p.at(SECRET))),
    "write": (READABLE, lambda p: p.write(READABLE, b"mine")),
    "write what cannot be read": (SECRET, lambda p: p.write(SECRET, b"mine")),
    "append": (READABLE, lambda p: p.write(READABLE, b"mine", append=True)),
    "edit": (READABLE, lambda p: p.files.edit(p.container, p.at(READABLE), replacements=CHANGE)),
    "edit what cannot be read": (
        SECRET,
        lambda p: p.files.edit(p.container, p.at(SECRET), replacements=CHANGE),
    ),
    "chmod": (READABLE, lambda p: p.files.chmod(p.container, p.at(READABLE), 0o666)),
    "chmod of a tree": ("tree", lambda p: p.files.chmod(p.container, p.at("tree"), 0o777, recursive=True)),
    "copy": (SECRET, lambda p: p.files.copy(p.container, p.at(SECRET), p.at("x"))),
    "copy of a tree": ("tree", lambda p: p.files.copy(p.container, p.at("tree"), p.at("x"), recursive=True)),
    "copy over": (READABLE, lambda p: p.files.copy(p.container, p.at("own"), p.at(READABLE), overwrite=True)),
    "copy into": (CLOSED, lambda p: p.files.copy(p.container, p.at("own"), p.at(CLOSED))),
    "move over": (READABLE, lambda p: p.files.move(p.container, p.at("own"), p.at(READABLE), overwrite=True)),
    "move into": (CLOSED, lambda p: p.files.move(p.container, p.at("own"), p.at(CLOSED))),
    "move from": (CLOSED, lambda p: p.files.move(p.container, p.at(CLOSED), p.at("x"))),
    "stat": (CLOSED, lambda p: p.files.stat(p.container, p.at(CLOSED))),
    "list": ("closed", lambda p: p.names("closed")),
    "delete": (CLOSED, lambda p: p.files.delete(p.container, p.at(CLOSED))),
    "mkdir": ("closed/d", lambda p: p.files.mkdir(p.container, p.at("closed/d"))),
}


@in_time
@needs(Trait.SEEN_PROCESSES, Clause.NON_ROOT)
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files, FileFailed)
class FilesPermissionsContract(WithPlace):
    """What is another user's stays that, and is said so."""

    @pytest.fixture
    def others(self, outside: Path) -> Path:
        """Files of root in the case's folder: one that none may read, one that none may write, a closed folder."""
        for name, mode in ((SECRET, 0o600), (READABLE, 0o644)):
            (outside / name).write_bytes(b"root's\n")
            (outside / name).chmod(mode)
        (outside / "closed").mkdir(mode=0o700)
        (outside / "closed/f").write_bytes(b"root's\n")
        (outside / "tree").mkdir()
        (outside / "tree/mine").write_bytes(b"")
        user = outside.stat()
        for name in ("tree", "tree/mine"):
            os.chown(outside / name, user.st_uid, user.st_gid)
        (outside / "tree/secret").write_bytes(b"root's\n")
        (outside / "tree/secret").chmod(0o600)
        return outside

    @pytest.mark.parametrize("operation", DENIED)
    async def test_what_the_containers_user_may_not_do_is_refused_with_the_path(
        self, place: Place, others: Path, operation: str
    ):
        await place.write("own", b"own")
        name, call = DENIED[operation]
        error = await place.refused(FileFailed, call(place))
        assert error.details["reason"] == "permission_denied"
        assert error.details["path"] == f"/workspace/{place.at(name)}"
        for file in (SECRET, READABLE, CLOSED, "tree/secret"):
            assert (others / file).read_bytes() == b"root's\n"
        async with asyncio.timeout(10):  # what a copy had made is taken apart beside
            while sorted(os.listdir(others)) != ["closed", "own", READABLE, SECRET, "tree"]:  # noqa: ASYNC110, PTH208 - no event
                await asyncio.sleep(0.01)

    async def test_what_is_written_is_the_containers_users_and_nobody_elses(
        self, place: Place, outside: Path
    ):
        await place.write("f", b"x")
        await place.files.copy(place.container, place.at("f"), place.at("g"))
        assert {owner(outside / name) for name in ("f", "g", ".")} == {owner(outside)}

    async def test_a_file_of_ones_own_that_may_not_be_written_is_not_written(self, place: Place):
        await place.write("f", b"old", mode=0o444)
        for more in ({}, {"append": True}):
            error = await place.refused(FileFailed, place.write("f", b"new", **more))
            assert error.details["reason"] == "permission_denied"
        await place.files.chmod(place.container, place.at("f"), 0o644)
        await place.write("f", b"new")
        assert await place.data("f") == b"new"

    @pytest.mark.usefixtures("others")
    async def test_the_entry_of_a_tree_that_is_in_the_way_is_named(self, place: Place):
        for call in (
            place.files.chmod(place.container, place.at("tree"), 0o777, recursive=True),
            place.files.copy(place.container, place.at("tree"), place.at("x"), recursive=True),
        ):
            error = await place.refused(FileFailed, call)
            assert error.details["entry"] == "secret"
