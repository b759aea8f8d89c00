"""Files beneath further roots than the workspace."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import AgentOutdated, FileFailed, PathOutside, ValidationFailed
from devbench_core.files import Files
from devbench_core.model.batch import BatchDelete, BatchEdit, BatchMkdir, BatchMove, BatchWrite
from devbench_core.model.filechange import Replacement
from devbench_core.testing.fake.bench import LOOSE
from devbench_core.testing.local import LocalPlugin
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, a_container, open_host, running_agent


@attrs.frozen
class Roots:
    """A container with further roots.

    Attributes:
        host: Its host.
        second: One of them.
        absent: One that nobody has made.
    """

    host: Host
    second: Path
    absent: Path

    @property
    def files(self) -> Files:
        """The operations."""
        return self.host.files


@pytest.fixture
async def roots(tmp_path: Path) -> AsyncGenerator[Roots]:
    """A container with the workspace and two further roots, one of which is absent."""
    second, absent = tmp_path / "second", tmp_path / "absent"
    second.mkdir()
    words = [word for root in (second, absent) for word in ("--root", str(root))]
    with running_agent(tmp_path, *words) as agent:
        async with open_host(agent.connect, agent.token) as host:
            host.container = a_container(second, absent)
            yield Roots(host, second, absent)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


def tarred(names: list[str]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


async def test_a_path_is_given_back_as_it_was_given(roots: Roots):
    files, at = roots.files, roots.second
    written = await files.write(C, f"{at}/a//./b/../f", b"one\n", parents=True)
    assert written.info.path == PurePosixPath(at, "a/f")
    assert (await files.stat(C, PurePosixPath(at, "a/f"))).etag == written.info.etag
    assert (await files.read(C, f"{at}/a/f")).info == written.info
    assert [info.path for info in (await files.list(C, str(at))).entries] == [PurePosixPath(at, "a")]
    assert (await files.find(C, str(at))).root == PurePosixPath(at)
    assert [info.path for info in (await files.glob(C, "**/f", str(at))).entries] == [
        PurePosixPath(at, "a/f")
    ]
    assert (await files.grep(C, "one", str(at))).files[0].info.path == PurePosixPath(at, "a/f")
    moved = await files.move(C, f"{at}/a/f", f"{at}/g")
    assert moved.info.path == PurePosixPath(at, "g")
    page = await files.changes(C, str(at))
    await files.chmod(C, f"{at}/g", 0o600)
    page = await files.changes(C, str(at), cursor=page.cursor, wait_s=10)
    assert {change.path for change in page.changes} == {PurePosixPath(at, "g")}
    assert [request.subject for request in roots.host.requests if request.operation == "file.move"] == [
        f"{at}/a/f",
        f"{at}/g",
    ]


async def test_a_relative_path_and_one_beneath_the_workspace_mean_what_they_meant(roots: Roots):
    await roots.files.write(C, "f", b"1")
    assert (await roots.files.read(C, "/workspace/f")).info.path == PurePosixPath("/workspace/f")
    assert await roots.files.root_of(C, "f") == PurePosixPath("/workspace")
    assert await roots.files.root_of(C, f"{roots.second}/f") == PurePosixPath(roots.second)


CALLS: dict[str, Callable[[Files, str], Awaitable[Any]]] = {
    "read": lambda files, path: files.read(C, path),
    "write": lambda files, path: files.write(C, path, b"x", parents=True),
    "stat": lambda files, path: files.stat(C, path),
    "list": lambda files, path: files.list(C, path),
    "mkdir": lambda files, path: files.mkdir(C, path, parents=True),
    "delete": lambda files, path: files.delete(C, path, recursive=True),
    "move": lambda files, path: files.move(C, "f", path),
    "move away": lambda files, path: files.move(C, path, "x"),
    "copy": lambda files, path: files.copy(C, "f", path),
    "chmod": lambda files, path: files.chmod(C, path, 0o600),
    "find": lambda files, path: files.find(C, path),
    "grep": lambda files, path: files.grep(C, "x", path),
    "watch": lambda files, path: files.changes(C, path),
    "batch": lambda files, path: files.batch(C, [BatchDelete(path=path)]),
    "batch to": lambda files, path: files.batch(C, [BatchMove(path="f", target=path)]),
    "stream": lambda files, path: files.write_stream(C, path, pieces(b"x")),
    "import": lambda files, path: files.import_archive(C, path, pieces(tarred(["f"])), format="tar"),
    "root": lambda files, path: files.root_of(C, path),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("path", ["/etc/x", "SECOND/../x", "SECONDx", "/"])
async def test_an_error_about_what_is_outside_names_the_roots(
    roots: Roots, call: Callable[[Files, str], Awaitable[Any]], path: str
):
    await roots.files.write(C, "f", b"x")
    asked = len(roots.host.requests)
    with pytest.raises(PathOutside) as error:
        await call(roots.files, path.replace("SECOND", str(roots.second)))
    assert error.value.hint == (
        f"use a path beneath /workspace or {roots.second} or {roots.absent}, or one relative to /workspace"
    )
    assert [one.subject for one in roots.host.requests[asked:]] in ([], ["/workspace/f"])


async def test_a_link_out_of_a_root_is_told_with_the_roots(roots: Roots):
    (roots.second / "out").symlink_to("../workspace")
    with pytest.raises(PathOutside, match="leads out of its root") as error:
        await roots.files.read(C, f"{roots.second}/out/f")
    assert str(roots.absent) in error.value.hint


@pytest.mark.parametrize("way", ["absent", "link", "file"])
async def test_a_root_that_is_none_is_named_with_the_reason(roots: Roots, way: str):
    if way == "link":
        roots.absent.symlink_to("second")
    if way == "file":
        roots.absent.touch()
    await roots.files.write(C, "f", b"x")
    why = {"absent": "does not exist", "link": "is a link", "file": "is no folder"}[way]
    for name in ("read", "write", "mkdir", "list", "copy", "batch", "import", "stream", "watch"):
        with pytest.raises(FileFailed, match=f"its root '{roots.absent}' {why}") as error:
            await CALLS[name](roots.files, f"{roots.absent}/g")
        assert error.value.details["reason"] == "no_root"
        assert error.value.details["root"] == str(roots.absent)
        assert "policy.file_roots" in error.value.hint


async def test_a_batch_is_within_one_root_and_says_so(roots: Roots):
    at = roots.second
    with pytest.raises(ValidationFailed, match=f"operation 1 .*{at}, and the batch began beneath /workspace"):
        await roots.files.batch(C, [BatchWrite(path="a", data=b""), BatchWrite(path=f"{at}/b", data=b"")])
    await roots.files.write(C, "f", b"x")
    with pytest.raises(ValidationFailed, match="target: is beneath the root") as error:
        await roots.files.batch(C, [BatchMove(path="f", target=f"{at}/f")])
    assert "one for each" in error.value.hint
    with pytest.raises(ValidationFailed, match=f"is the root {at} itself"):
        await roots.files.batch(C, [BatchDelete(path=str(at), recursive=True)])
    assert not list(at.iterdir())


async def test_every_kind_of_change_in_a_batch_beneath_a_root(roots: Roots):
    at = roots.second
    await roots.files.write(C, f"{at}/edited", b"one two")
    outcomes = await roots.files.batch(
        C,
        [
            BatchEdit(path=f"{at}/edited", replacements=(Replacement(old="two", new="three"),)),
            BatchWrite(path=f"{at}/deep/er/f", data=b"f", parents=True),
            BatchMkdir(path=f"{at}/made"),
            BatchMove(path=f"{at}/deep/er/f", target=f"{at}/new/f", parents=True),
            BatchDelete(path=f"{at}/made"),
        ],
    )
    assert outcomes[3].info is not None
    assert outcomes[3].info.path == PurePosixPath(at, "new/f")
    assert (at / "edited").read_bytes() == b"one three"
    assert (at / "new/f").read_bytes() == b"f"
    assert sorted(path.name for path in at.iterdir()) == ["deep", "edited", "new"]


@pytest.mark.parametrize("folder", ["", "/deep/er"])
async def test_archives_and_streams_go_in_and_out_of_a_root(roots: Roots, folder: str):
    files, at = roots.files, f"{roots.second}{folder}"
    await files.import_archive(C, at, pieces(tarred(["a/f", "g"])), format="tar")
    data = b"".join([piece async for piece in files.export_archive(C, at, format="tar")])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["a", "a/f", "g"]
    await files.write_stream(C, f"{at}/g", pieces(b"streamed"))
    async with files.read_stream(C, f"{at}/g") as stream:
        assert b"".join([piece async for piece in stream]) == b"streamed"


async def test_files_go_from_root_to_root(roots: Roots):
    at = roots.second
    await roots.files.write(C, "tree/f", b"f", parents=True)
    copied = await roots.files.copy(C, "tree", f"{at}/tree", recursive=True)
    moved = await roots.files.move(C, "tree", f"{at}/moved")
    assert (copied.info.path, moved.info.path) == (PurePosixPath(at, "tree"), PurePosixPath(at, "moved"))
    assert sorted(path.name for path in at.rglob("f")) == ["f", "f"]


async def test_an_agent_of_an_earlier_time_is_asked_for_the_workspace_only(
    roots: Roots, monkeypatch: pytest.MonkeyPatch
):
    channel = await roots.host.link.channel()
    older = attrs.evolve(channel.agent, features=channel.agent.features - {"roots"})
    monkeypatch.setattr(channel, "agent", older)
    await roots.files.write(C, "f", b"x")
    for name, call in CALLS.items():
        if name not in {"root", "batch to"}:
            with pytest.raises(AgentOutdated, match="files outside of /workspace"):
                await call(roots.files, f"{roots.second}/g")
    assert not list(roots.second.iterdir())


async def test_a_container_keeps_the_roots_that_it_was_made_with(roots: Roots):
    roots.host.container = a_container()
    with pytest.raises(PathOutside, match="leads out of the workspace"):
        await roots.files.stat(C, str(roots.second))


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder that an ordinary user can reach, as not all of pytest's can be."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_a_root_of_which_only_a_part_may_be_written(
    open_folder: Path,
    unprivileged_user: tuple[int, int],
    as_ordinary_user: Callable[[Sequence[str]], list[str]],
):
    # Also while a batch is carried out: what comes then has to wait somewhere.
    second = open_folder / "second"
    (second / "mine").mkdir(parents=True)
    (open_folder / "workspace").mkdir()
    (open_folder / "run").mkdir(mode=0o700)
    if os.geteuid() == 0:
        for folder in (second / "mine", open_folder / "workspace", open_folder / "run"):
            os.chown(folder, *unprivileged_user)
    second.chmod(0o555)
    at = f"{second}/mine"
    with running_agent(open_folder, "--root", str(second), prefix=as_ordinary_user([])) as agent:
        async with open_host(agent.connect, agent.token) as host:
            host.container = a_container(second)
            changes = [BatchWrite(path=f"many/{n}", data=b"x", parents=True) for n in range(1000)]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(host.files.batch(C, changes))
                for n in range(200):
                    tasks.create_task(host.files.write(C, f"{at}/{n}", b"x"))
            assert len(list((second / "mine").iterdir())) == 200
            refused = [
                host.files.batch(C, [BatchWrite(path=f"{at}/f", data=b"")]),
                host.files.import_archive(C, f"{at}/d", pieces(tarred(["f"])), format="tar"),
                host.files.write(C, f"{second}/f", b""),
            ]
            for call, said in zip(
                refused, ["into its root", "into its root", "may not do this"], strict=True
            ):
                with pytest.raises(FileFailed, match=said) as error:
                    await call
                assert error.value.details["reason"] == "permission_denied"
    second.chmod(0o755)


async def test_the_configured_roots_reach_the_agent_of_a_new_container(tmp_path: Path):
    (tmp_path / "data").mkdir()
    config: dict[str, object] = {
        "plugins": [],
        "runtime": "local",
        "store": "memory",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "policy": {**LOOSE, "file_roots": [str(tmp_path / "data")]},
    }
    async with devbench_core.open(config, plugins=[LocalPlugin()]) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container
        assert container.spec.policy.file_roots == (str(tmp_path / "data"),)
        await bench.files.write(container.id, f"{tmp_path}/data/f", b"x")
        with pytest.raises(PathOutside):
            await bench.files.write(container.id, f"{tmp_path}/f", b"x")
    assert (tmp_path / "data/f").read_bytes() == b"x"
