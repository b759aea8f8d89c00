"""Operations run as the container's user: what he may not do is refused, also where he is root without powers."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from devbench_core.containers import SpawnRequest
from devbench_core.errors import FileFailed
from devbench_core.files import Files
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import Claims, Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import workspace_from_outside
from devbench_core.testing.kit.held import skip_without
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import OpenHost, WithHost
from devbench_core.values import frozen

ROOT = "0:0"
USERS = ("1000:1000", "4321:8765", ROOT)
NEEDED = (Trait.OWN_ROOT, Trait.SEEN_PROCESSES, Clause.NON_ROOT, Clause.NO_CAPABILITIES)
SOMEBODY = 54321
SECRET = b"of somebody else"
Call = Callable[[Files, str, str], Awaitable[Any]]


@frozen
class Shared:
    """A container in whose workspace files of somebody else lie.

    Attributes:
        lab: The container.
        workspace: Its workspace, as this machine's root sees it.
        uid: Its user.
    """

    lab: Lab
    workspace: Path
    uid: int

    async def folder(self) -> tuple[str, Path]:
        """Make a folder of the container's user, and give its real place."""
        name = await self.lab.folder()
        return name, self.workspace / name


def give_away(path: Path, mode: int) -> None:
    """Let somebody else own it."""
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(mode)


def somebodys_folder(folder: Path, mode: int) -> None:
    """Make somebody else's folder with things in it."""
    (folder / "his" / "inner").mkdir(parents=True)
    (folder / "his" / "file").write_bytes(SECRET)
    for name in ("his/inner", "his/file"):
        give_away(folder / name, 0o755 if name == "his/inner" else 0o644)
    give_away(folder / "his", mode)


async def denied(call: Awaitable[Any], path: str) -> None:
    """It must be refused with the reason and the path."""
    with pytest.raises(FileFailed) as caught:
        await call
    assert caught.value.details["reason"] == "permission_denied"
    assert caught.value.details["path"] == f"/workspace/{path}"
    assert path in caught.value.message


CLOSED: dict[str, Call] = {
    "read": lambda files, box, his: files.read(box, f"{his}/file"),
    "stat": lambda files, box, his: files.stat(box, f"{his}/file"),
    "list": lambda files, box, his: files.list(box, f"{his}/inner"),
    "watch": lambda files, box, his: files.changes(box, f"{his}/inner"),
    "write": lambda files, box, his: files.write(box, f"{his}/file", b""),
    "write new": lambda files, box, his: files.write(box, f"{his}/new", b""),
    "write new beneath": lambda files, box, his: files.write(box, f"{his}/a/b", b"", parents=True),
    "write on a condition": lambda files, box, his: files.write(box, f"{his}/file", b"", if_match="0" * 32),
    "mkdir": lambda files, box, his: files.mkdir(box, f"{his}/new"),
    "mkdir beneath": lambda files, box, his: files.mkdir(box, f"{his}/a/b", parents=True),
    "delete": lambda files, box, his: files.delete(box, f"{his}/file"),
    "delete a folder": lambda files, box, his: files.delete(box, f"{his}/inner", recursive=True),
}
OPEN_ONLY_FOR_READING = {name for name in CLOSED if name.startswith(("write", "mkdir", "delete"))} - {
    "write on a condition"
}


@in_time
@needs(*NEEDED)
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files, FileFailed)
class FilesUsersContract(WithHost):
    """What the container's user may not do is refused, also where he is root without powers."""

    @pytest_asyncio.fixture(scope="class", loop_scope="class", params=USERS)
    @classmethod
    async def shared(
        cls,
        request: pytest.FixtureRequest,
        open_host: OpenHost,
        claims: Claims,
    ) -> AsyncGenerator[Shared]:
        """A container of a user, without any capability."""
        skip_without(claims, *NEEDED)
        root = [str(Clause.NON_ROOT)] if request.param == ROOT else []
        tolerated = [*claims.tolerated, *root]
        async with open_host(policy={"user": request.param, "tolerate_absent": tolerated}) as bench:
            spawned = await bench.containers.spawn(SpawnRequest())
            lab = Lab(bench=bench, container=spawned.container.id, has_shell=claims.has(Trait.SHELL))
            workspace = await workspace_from_outside(lab)
            yield Shared(lab=lab, workspace=workspace, uid=int(request.param.partition(":")[0]))

    @pytest.mark.parametrize("operation", list(CLOSED))
    async def test_somebody_elses_closed_folder_is_closed(self, shared: Shared, operation: str):
        name, real = await shared.folder()
        somebodys_folder(real, 0o700)
        with pytest.raises(FileFailed) as caught:
            await CLOSED[operation](shared.lab.files, shared.lab.container, f"{name}/his")
        assert caught.value.details["reason"] == "permission_denied"
        assert str(caught.value.details["path"]).startswith(f"/workspace/{name}/his/")
        assert sorted(path.name for path in (real / "his").iterdir()) == ["file", "inner"]
        assert (real / "his/file").read_bytes() == SECRET

    @pytest.mark.parametrize("operation", sorted(OPEN_ONLY_FOR_READING))
    async def test_somebody_elses_open_folder_is_not_changed(self, shared: Shared, operation: str):
        name, real = await shared.folder()
        somebodys_folder(real, 0o755)
        with pytest.raises(FileFailed) as caught:
            await CLOSED[operation](shared.lab.files, shared.lab.container, f"{name}/his")
        assert caught.value.details["reason"] == "permission_denied"
        assert sorted(path.name for path in (real / "his").iterdir()) == ["file", "inner"]
        assert (real / "his/file").read_bytes() == SECRET

    async def test_what_may_be_read_is_read(self, shared: Shared):
        name, real = await shared.folder()
        somebodys_folder(real, 0o755)
        files, box = shared.lab.files, shared.lab.container
        assert (await files.read(box, f"{name}/his/file")).data == SECRET
        assert [info.path.name for info in (await files.list(box, f"{name}/his")).entries] == [
            "file",
            "inner",
        ]

    async def test_a_folder_that_may_not_be_listed_is_not_but_what_is_in_it_can_be_named(
        self, shared: Shared
    ):
        name, real = await shared.folder()
        somebodys_folder(real, 0o711)
        files, box = shared.lab.files, shared.lab.container
        await denied(files.list(box, f"{name}/his"), f"{name}/his")
        assert (await files.read(box, f"{name}/his/file")).data == SECRET
        assert (await files.stat(box, f"{name}/his/inner")).mode == 0o755

    async def test_a_tree_with_something_that_may_not_be_deleted_stays_under_its_name(self, shared: Shared):
        files, box = shared.lab.files, shared.lab.container
        for mode in (0o700, 0o755):
            name, real = await shared.folder()
            somebodys_folder(real, mode)
            await denied(files.delete(box, f"{name}/his", recursive=True), f"{name}/his")
            assert sorted(path.name for path in real.iterdir()) == ["his"]
            assert (real / "his/file").read_bytes() == SECRET
            await denied(files.delete(box, name, recursive=True), name)
            assert (real / "his/file").read_bytes() == SECRET

    async def test_somebody_elses_closed_file_is_not_read(self, shared: Shared):
        name, real = await shared.folder()
        (real / "his").write_bytes(SECRET)
        give_away(real / "his", 0o600)
        files, box = shared.lab.files, shared.lab.container
        await denied(files.read(box, f"{name}/his"), f"{name}/his")
        info = await files.stat(box, f"{name}/his")
        assert (info.size_bytes, info.mode) == (len(SECRET), 0o600)

    async def test_a_file_that_others_may_write_is_replaced_by_the_users_own_and_another_is_not(
        self, shared: Shared
    ):
        name, real = await shared.folder()
        for file, mode in (("open", 0o666), ("his", 0o644)):
            (real / file).write_bytes(SECRET)
            give_away(real / file, mode)
        files, box = shared.lab.files, shared.lab.container
        await files.write(box, f"{name}/open", b"mine")
        made = (real / "open").stat()
        assert made.st_uid != SOMEBODY
        assert made.st_uid == (real.stat()).st_uid
        assert (await files.stat(box, f"{name}/open")).uid == shared.uid
        with pytest.raises(FileFailed) as refused:
            await files.write(box, f"{name}/his", b"mine")
        assert refused.value.details["reason"] == "permission_denied"

    async def test_what_is_made_belongs_to_the_containers_user(self, shared: Shared):
        name, _ = await shared.folder()
        files, box = shared.lab.files, shared.lab.container
        assert (await files.write(box, f"{name}/a/f", b"", parents=True)).info.uid == shared.uid
        assert (await files.mkdir(box, f"{name}/b")).uid == shared.uid
        assert (await files.stat(box, f"{name}/a")).uid == shared.uid

    async def test_modes_bind_the_user_himself(self, shared: Shared):
        name, real = await shared.folder()
        files, box = shared.lab.files, shared.lab.container
        await files.write(box, f"{name}/f", b"x", mode=0)
        await denied(files.read(box, f"{name}/f"), f"{name}/f")
        await files.mkdir(box, f"{name}/d")
        await files.write(box, f"{name}/d/f", b"x")
        (real / "d").chmod(0o555)
        await denied(files.write(box, f"{name}/d/f", b""), f"{name}/d/f")
        await denied(files.mkdir(box, f"{name}/d/e"), f"{name}/d/e")
        await denied(files.delete(box, f"{name}/d/f"), f"{name}/d/f")
        (real / "d").chmod(0)
        await denied(files.list(box, f"{name}/d"), f"{name}/d")
        await denied(files.stat(box, f"{name}/d/f"), f"{name}/d/f")
        await denied(files.delete(box, f"{name}/d/f"), f"{name}/d/f")

    async def test_the_users_own_closed_folders_can_be_deleted_whole(self, shared: Shared):
        name, real = await shared.folder()
        files, box = shared.lab.files, shared.lab.container
        await files.write(box, f"{name}/d/e/f", b"x", parents=True)
        for folder, mode in (("d/e", 0), ("d", 0o500)):
            (real / folder).chmod(mode)
        await files.delete(box, f"{name}/d", recursive=True)
        assert list(real.iterdir()) == []
