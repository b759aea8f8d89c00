"""Importing root file systems, friendly and hostile."""

import asyncio
import io
import os
import stat
import tarfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Literal

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import Conflict, DevbenchError, ImageNotFound, TooLarge, ValidationFailed
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

TarMode = Literal["w", "w:gz", "w:xz"]
Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def settings(folder: Path) -> BubblewrapSettings:
    """Images in the test's own folder."""
    return BubblewrapSettings(folder=folder, image_max_bytes=64 << 20, image_max_entries=2000)


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: TarMode = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


HOSTILE = {
    "an absolute name": [member("/etc/passwd", b"x")],
    "a name that climbs": [member("a/../../x", b"x")],
    "a file through a link out": [link("out", "/"), member("out/pwned", b"x")],
    "a file through a relative link out": [link("out", "../.."), member("out/pwned", b"x")],
    "a folder through a link out": [link("out", "/var/tmp"), member("out/made", type=tarfile.DIRTYPE)],
    "a hard link out": [link("here", "../../../../etc/passwd", tarfile.LNKTYPE)],
    "an absolute hard link": [link("here", "/etc/passwd", tarfile.LNKTYPE)],
    "a hard link through a link": [link("out", "/etc"), link("here", "out/passwd", tarfile.LNKTYPE)],
    "a hard link to a link": [link("out", "/etc/passwd"), link("here", "out", tarfile.LNKTYPE)],
    "a hard link to nothing": [link("here", "absent", tarfile.LNKTYPE)],
    "a name with NUL": [member("a", b"x", pax_headers={"path": "a\0b"})],
    "a name that is too long": [member("a" * 300, b"x")],
    "a full folder where a file must be": [member("etc/hosts/x", b"x")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_tar_is_refused_and_leaves_nothing(
    runtime: BubblewrapRuntime, tmp_path: Path, members: Members
):
    source = tar(tmp_path / "hostile.tar", *members)
    with pytest.raises(DevbenchError) as caught:
        await runtime.import_image("hostile", source)
    assert caught.value.code in {"validation", "engine_failed"}
    assert [image.name for image in await runtime.images()] == ["host"]
    left = [
        path
        for name in ("incoming", "trash", "roots")
        for path in (runtime.images_kept.folder / name).iterdir()
    ]
    assert left == []
    assert "pwned" not in os.listdir("/")  # noqa: PTH208


async def test_what_a_root_file_system_must_not_bring_is_left_out(runtime: BubblewrapRuntime, tmp_path: Path):
    source = tar(
        tmp_path / "root.tar",
        member("./", type=tarfile.DIRTYPE),
        member("bin/su", b"x", mode=0o4755),
        member("dev/sda", type=tarfile.BLKTYPE, devmajor=8),
        member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("pipe", type=tarfile.FIFOTYPE),
        link("tmp", "/oldroot/etc"),
        link("etc/resolv.conf", "/oldroot/etc/passwd"),
        link("workspace", "/"),
        member("closed", type=tarfile.DIRTYPE, mode=0),
        member("closed/file", b"x", mode=0),
    )
    image = await runtime.import_image("root", source)
    root = runtime.images_kept.root(image.id)
    assert root is not None
    found = {str(path.relative_to(root)): path.lstat().st_mode for path in root.rglob("*")}
    assert stat.S_IMODE(found["bin/su"]) == 0o755
    assert not {"dev/sda", "dev/null", "pipe"} & found.keys()
    for name in ("tmp", "workspace", ".devbench", ".devbench-run", "proc", "dev"):
        assert stat.S_ISDIR(found[name])
    assert stat.S_ISREG(found["etc/resolv.conf"])
    assert not [mode for mode in found.values() if stat.S_IMODE(mode) & 0o7000 and not stat.S_ISLNK(mode)]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
async def test_a_tar_may_be_compressed(runtime: BubblewrapRuntime, tmp_path: Path, mode: TarMode):
    image = await runtime.import_image("a", tar(tmp_path / "a", member("f", b"hello"), mode=mode))
    assert image.size_bytes == 5


async def test_what_is_no_tar_is_refused(runtime: BubblewrapRuntime, tmp_path: Path):
    (tmp_path / "x").write_bytes(b"no tar")
    with pytest.raises(ValidationFailed, match="cannot be read as a tar"):
        await runtime.import_image("a", tmp_path / "x")
    with pytest.raises(ValidationFailed, match="does not exist"):
        await runtime.import_image("a", tmp_path / "absent")


async def test_a_tar_that_is_cut_off_is_refused(runtime: BubblewrapRuntime, tmp_path: Path):
    source = tar(tmp_path / "a", member("f", b"x" * 100_000))
    source.write_bytes(source.read_bytes()[:50_000])
    with pytest.raises(DevbenchError):
        await runtime.import_image("a", source)
    assert [image.name for image in await runtime.images()] == ["host"]


async def test_too_much_is_refused_by_the_limit_s_name(runtime: BubblewrapRuntime, tmp_path: Path):
    zeros = tar(tmp_path / "zeros", member("f", bytes(70 << 20)), mode="w:gz")
    with pytest.raises(TooLarge, match="image_max_bytes"):
        await runtime.import_image("a", zeros)
    many = tar(tmp_path / "many", *(member(f"f{n}") for n in range(2001)))
    with pytest.raises(TooLarge, match="image_max_entries"):
        await runtime.import_image("a", many)


@pytest.mark.parametrize("name", ["", "host", "UPPER", "../x", "a b", "sha256:abc", "a" * 129])
async def test_a_name_that_cannot_be_is_refused(runtime: BubblewrapRuntime, tmp_path: Path, name: str):
    with pytest.raises(ValidationFailed):
        await runtime.import_image(name, tar(tmp_path / "a", member("f")))


async def test_the_same_content_is_kept_once_under_each_name(runtime: BubblewrapRuntime, tmp_path: Path):
    source = tar(tmp_path / "a", member("f", b"hello"))
    names = ["one", "registry.example/two:1.0", "one"]
    images = await asyncio.gather(*(runtime.import_image(name, source) for name in names))
    assert len({image.id for image in images}) == 1
    assert [image.name for image in await runtime.images()] == ["host", "one", "registry.example/two:1.0"]
    assert len(list((runtime.images_kept.folder / "roots").iterdir())) == 1
    assert (await runtime.resolve_image(images[0].id)).id == images[0].id
    await runtime.delete_image("one")
    assert runtime.images_kept.root(images[0].id) is not None
    await runtime.delete_image("registry.example/two:1.0")
    await runtime.delete_image("registry.example/two:1.0")
    with pytest.raises(ImageNotFound):
        runtime.images_kept.root(images[0].id)


async def test_a_container_keeps_its_image_when_the_name_moves_on(
    runtime: BubblewrapRuntime,
    live: Live,
    wanted: Requests,
    tmp_path: Path,
    rootfs_tar: Callable[[str], Path],
):
    old = await runtime.import_image("mine", rootfs_tar("busybox"))
    async with live(await wanted(old)) as container:
        new = await runtime.import_image("mine", tar(tmp_path / "a", member("f", b"other")))
        assert new.id != old.id
        assert (await container.run("/bin/busybox", "echo", "here")).text == "here\n"
        await runtime.stop(container.ref, grace_s=1)
        await runtime.start(container.ref)


async def test_an_image_in_use_is_not_deleted(
    runtime: BubblewrapRuntime, wanted: Requests, rootfs_tar: Callable[[str], Path]
):
    image = await runtime.import_image("mine", rootfs_tar("empty"))
    ref = await runtime.create(await wanted(image))
    with pytest.raises(Conflict, match=ref):
        await runtime.delete_image("mine")
    await runtime.remove(ref)
    await runtime.delete_image("mine")
    with pytest.raises(ImageNotFound, match="there are: host"):
        await runtime.resolve_image("mine")


async def test_a_folder_becomes_an_image(
    runtime: BubblewrapRuntime,
    live: Live,
    wanted: Requests,
    tmp_path: Path,
    rootfs_tar: Callable[[str], Path],
):
    with tarfile.open(rootfs_tar("busybox")) as archive:
        archive.extractall(tmp_path / "root", filter="tar")
    os.mkfifo(tmp_path / "root" / "pipe")
    image = await runtime.import_image("folder", tmp_path / "root")
    assert image.architecture == runtime.capabilities.architectures[0]
    async with live(await wanted(image)) as container:
        outcome = await container.run("/bin/busybox", "ls", "/")
        assert "pipe" not in outcome.text.split()
        assert "workspace" in outcome.text.split()


async def test_a_program_for_another_machine_gives_the_image_its_architecture(
    runtime: BubblewrapRuntime, tmp_path: Path
):
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (183).to_bytes(2, "little")
    source = tar(tmp_path / "a", member("bin/sh", head + bytes(64), mode=0o755))
    assert (await runtime.import_image("arm", source)).architecture == "arm64"


async def test_an_image_of_one_static_file_is_enough(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, rootfs_tar: Callable[[str], Path]
):
    image = await runtime.import_image("empty", rootfs_tar("empty"))
    async with live(await wanted(image)) as container:
        assert (await container.run("/busybox", "echo", "alone")).text == "alone\n"


@pytest.fixture
async def second(settings: BubblewrapSettings, context: OpenContext) -> AsyncGenerator[BubblewrapRuntime]:
    """Another host on the same folder."""
    async with open_bubblewrap(settings, context) as opened:
        yield opened


async def test_two_hosts_import_the_same_at_once(
    runtime: BubblewrapRuntime, second: BubblewrapRuntime, rootfs_tar: Callable[[str], Path]
):
    source = rootfs_tar("busybox")
    images = await asyncio.gather(*(host.import_image("same", source) for host in (runtime, second)))
    assert images[0].id == images[1].id
    assert runtime.images_kept.root(images[0].id) is not None
