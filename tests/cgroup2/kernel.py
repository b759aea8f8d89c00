"""The kernel to boot: the distribution's package, of which the image and a few modules are kept in the cache."""

import lzma
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.install import apt
from engines.places import cache_folder
from engines.progress import say

META_PACKAGE = "linux-image-amd64"
"""The ordinary kernel: the smaller one for clouds has no 9p."""

WANTED_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
QUERY_TIMEOUT_S = 60
DOWNLOAD_TIMEOUT_S = 600
UNPACK_TIMEOUT_S = 120


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """An unpacked kernel; the modules are in the order in which they must be loaded."""

    folder: Path

    @property
    def image(self) -> Path:
        """What is booted."""
        return self.folder / "vmlinuz"

    @property
    def modules(self) -> list[Path]:
        """What the machine needs to see its root."""
        return sorted(self.folder.glob("*.ko"))


def provide() -> Kernel:
    """Return the kernel of the cache, fetched if none is there yet; without the network one that is there serves.

    Raises:
        RuntimeError: it cannot be fetched, or lacks what is needed.
    """
    kept = sorted(cache_folder().glob("kernel-*"), key=lambda path: path.stat().st_mtime)
    if kept:
        return Kernel(folder=kept[-1])
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="devbench-kernel-", dir="/var/tmp") as scratch:
        package, root = _unpacked(Path(scratch))
        staged = Path(tempfile.mkdtemp(prefix=".kernel-", dir=cache_folder()))
        try:
            _keep(root, staged)
            staged.chmod(0o755)
            return Kernel(folder=staged.replace(cache_folder() / f"kernel-{package}"))
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def _unpacked(scratch: Path) -> tuple[str, Path]:
    """Return the package's name and where it is unpacked."""
    try:
        package = _package()
        archive = _download(package, scratch)
    except RuntimeError as error:
        say(f"{error}; asking again with new lists of packages")
        apt(["apt-get", "update", "-q"])
        package = _package()
        archive = _download(package, scratch)
    root = scratch / "root"
    subprocess.run(["dpkg-deb", "-x", str(archive), str(root)], check=True, timeout=UNPACK_TIMEOUT_S)
    return package, root


def _package() -> str:
    """Return the name of the package that the distribution's meta package stands for."""
    argv = ["apt-cache", "depends", META_PACKAGE]
    shown = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=QUERY_TIMEOUT_S)
    match = re.search(r"Depends: (linux-image-\S+)", shown.stdout)
    if match is None:
        raise RuntimeError(f"this distribution's packages have no {META_PACKAGE}, which is to be booted")
    return match[1]


def _download(package: str, scratch: Path) -> Path:
    say(f"fetching the kernel {package} (70 MB, once)")
    argv = ["apt-get", "download", "-q", package]
    done = subprocess.run(
        argv, cwd=scratch, capture_output=True, text=True, check=False, timeout=DOWNLOAD_TIMEOUT_S
    )
    archives = list(scratch.glob("*.deb"))
    if done.returncode != 0 or not archives:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr[-1000:]}")
    return archives[0]


def _keep(root: Path, target: Path) -> None:
    [image] = root.glob("boot/vmlinuz-*")
    shutil.copy(image, target / "vmlinuz")
    [tree] = (path for top in ("lib", "usr/lib") for path in root.glob(f"{top}/modules/*") if path.is_dir())
    for index, (name, data) in enumerate(load_order(tree)):
        (target / f"{index:02}-{name}.ko").write_bytes(data)


def load_order(tree: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted modules with those that they need, each after what it needs."""
    there = {path.name.partition(".")[0].replace("-", "_"): path for path in tree.glob("kernel/**/*.ko*")}
    built_in = (tree / "modules.builtin").read_text("utf-8").replace("-", "_")
    seen: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, bytes]]:
        if name in seen or f"/{name}.ko" in built_in:
            return
        seen.add(name)
        if name not in there:
            raise RuntimeError(f"the kernel in {tree} has no module {name}")
        data = _plain(there[name])
        needed = re.search(rb"(?:^|\0)depends=([\w,-]*)\0", data)
        for other in needed[1].decode().replace("-", "_").split(",") if needed and needed[1] else []:
            yield from visit(other)
        yield name, data

    for wanted in WANTED_MODULES:
        yield from visit(wanted)


def _plain(module: Path) -> bytes:
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()
