"""Test images, built from root file systems on this machine: no registry is asked.

Each image is a tar in the cache folder, so that Docker can import it and so can the bubblewrap runtime.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from engines.api import DockerApi
from engines.install import find_program
from engines.places import SHARED_CACHE, cache_folder
from engines.privilege import as_root, run_as_root
from engines.progress import say

DEBOOTSTRAP_TIMEOUT_S = 600
TAR_TIMEOUT_S = 120
REPOSITORY = "devbench-test"
PATH_VARIABLE = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEBIAN_RECIPE = "minbase python3 1"
_LEFT_OUT = (
    "./var/cache/apt",
    "./var/lib/apt/lists",
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/locale",
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image's root file system is made, and a key that changes when the recipe does."""

    name: str
    key: str
    build: Callable[[Path], None]
    changes: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The image's name on Docker."""
        return f"{REPOSITORY}/{self.name}:latest"

    @property
    def tar(self) -> Path:
        """Where its root file system is kept: where root has built it already, else in our own cache."""
        name = f"{self.name}-{self.key}.tar"
        return SHARED_CACHE / name if (SHARED_CACHE / name).exists() else cache_folder() / name


def image_reference(name: str) -> str:
    """Return the Docker reference of the test image ``busybox``, ``empty`` or ``debian``."""
    return recipe(name).reference


def rootfs_tar(name: str) -> Path:
    """Return the tar of that image's root file system, built if it is not there yet."""
    wanted = recipe(name)
    if not wanted.tar.exists():
        _build(wanted)
    return wanted.tar


def recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in recipes()}[name]


def recipes() -> tuple[Recipe, ...]:
    """Return every recipe."""
    busybox = _digest(_busybox().read_bytes())
    debian = _digest(f"{_DEBIAN_RECIPE} {_suite()} {os.uname().machine}".encode())
    shell = (f"ENV {PATH_VARIABLE}", 'CMD ["/bin/sh"]')
    return (
        Recipe(name="busybox", key=busybox, build=_build_busybox, changes=shell),
        Recipe(name="empty", key=busybox, build=_build_empty, changes=('CMD ["/busybox", "true"]',)),
        Recipe(name="debian", key=debian, build=_build_debian, changes=shell),
    )


def provide(host: str) -> list[str]:
    """Import every image that the engine lacks, and return those that were imported."""
    api = DockerApi(host)
    imported: list[str] = []
    for each in recipes():
        comment = f"devbench test image {each.key}"
        if api.has_image(each.reference, comment):
            continue
        tar = rootfs_tar(each.name)
        say(f"importing {each.reference} ({tar.stat().st_size // 1_000_000} MB)")
        with tar.open("rb") as stream:
            api.import_image(each.reference, stream, each.changes, comment)
        imported.append(each.reference)
    return imported


def _build(wanted: Recipe) -> None:
    wanted.tar.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=wanted.tar.parent, suffix=".part")
    os.close(handle)
    staged = Path(name)
    try:
        wanted.build(staged)
        staged.chmod(0o644)
        staged.replace(wanted.tar)
    finally:
        staged.unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _busybox() -> Path:
    found = find_program("busybox")
    if found is None:
        raise RuntimeError("busybox is not installed; run: apt-get install -y busybox-static")
    return Path(found).resolve()


def _add_file(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, BytesIO(data))


def _add_folder(archive: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _build_busybox(target: Path) -> None:
    say("building the root file system of the image busybox")
    listed = subprocess.run(
        [str(_busybox()), "--list"], capture_output=True, text=True, check=True, timeout=10
    )
    with tarfile.open(target, "w") as archive:
        for folder in ("bin", "etc", "root", "proc", "sys", "dev", "usr", "usr/bin", "var", "run", "home"):
            _add_folder(archive, folder)
        _add_folder(archive, "tmp", 0o1777)
        _add_file(archive, "bin/busybox", _busybox().read_bytes(), 0o755)
        for applet in sorted({*listed.stdout.split(), "sh"} - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
            archive.addfile(link)
        env = tarfile.TarInfo("usr/bin/env")
        env.type, env.linkname, env.mode = tarfile.SYMTYPE, "../../bin/busybox", 0o777
        archive.addfile(env)
        _add_file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add_file(archive, "etc/group", b"root:x:0:\n", 0o644)


def _build_empty(target: Path) -> None:
    say("building the root file system of the image empty: one static file")
    with tarfile.open(target, "w") as archive:
        _add_file(archive, "busybox", _busybox().read_bytes(), 0o755)


def debian_tar(name: str, packages: tuple[str, ...]) -> Path:
    """Return the tar of a Debian root file system with these packages, built if it is not there yet."""
    key = _digest(f"minbase {' '.join(packages)} {_suite()} {os.uname().machine}".encode())
    wanted = Recipe(name=name, key=key, build=lambda target: _bootstrap(target, packages), changes=())
    if not wanted.tar.exists():
        _build(wanted)
    return wanted.tar


def _build_debian(target: Path) -> None:
    _bootstrap(target, ("python3",))


def _bootstrap(target: Path, packages: tuple[str, ...]) -> None:
    say(f"building a Debian root file system with {', '.join(packages)} (a minute or two, once)")
    folder = Path(tempfile.mkdtemp(prefix="devbench-debian-", dir="/var/tmp"))  # private by mkdtemp
    debootstrap = find_program("debootstrap") or "debootstrap"
    included = f"--include={','.join(packages)}"
    argv = [debootstrap, "--variant=minbase", included, _suite(), str(folder / "root"), *_mirror()]
    try:
        done = run_as_root(argv, timeout_s=DEBOOTSTRAP_TIMEOUT_S)
        if done.returncode != 0:
            raise RuntimeError(
                f"debootstrap ended with {done.returncode}:\n{done.stdout[-1500:]}{done.stderr[-500:]}"
            )
        excluded = [f"--exclude={path}/*" for path in (*_LEFT_OUT, "./dev", "./proc", "./sys")]
        tar = ["tar", "--numeric-owner", *excluded, "-C", str(folder / "root"), "-cf", "-", "."]
        with target.open("wb") as stream:
            subprocess.run(as_root(tar), stdout=stream, check=True, timeout=TAR_TIMEOUT_S)
    finally:
        run_as_root(["rm", "-rf", str(folder)], timeout_s=TAR_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)


def _suite() -> str:
    match = re.search(r"^VERSION_CODENAME=\"?(\w+)", Path("/etc/os-release").read_text("utf-8"), re.MULTILINE)
    return match[1] if match else "stable"


def _mirror() -> list[str]:
    """Return the mirror that this machine's own apt uses; nothing when it cannot be told."""
    texts = [path.read_text("utf-8") for path in sorted(Path("/etc/apt").glob("sources.list.d/*.sources"))]
    for text in texts:
        for stanza in re.split(r"\n\s*\n", text):
            uris = re.search(r"^URIs:\s*(\S+)", stanza, re.MULTILINE)
            if uris and re.search(rf"^Suites:.*\b{_suite()}(\s|$)", stanza, re.MULTILINE):
                return [uris[1]]
    listed = Path("/etc/apt/sources.list")
    lines = listed.read_text("utf-8") if listed.exists() else ""
    match = re.search(rf"^deb\s+(?:\[[^]]*\]\s+)?(http\S+)\s+{_suite()}\s", lines, re.MULTILINE)
    return [match[1]] if match else []
