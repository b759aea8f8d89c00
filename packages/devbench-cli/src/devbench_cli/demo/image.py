"""An image for the demo where the engine has none of its own: a few kilobytes around this machine's busybox."""

from __future__ import annotations

import asyncio
import io
import shutil
import struct
import tarfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from devbench_cli.backends.local import LocalBackend
from devbench_cli.demo.narrator import DemoFailed, Narrator
from devbench_cli.doctor.mending import for_people, mend
from devbench_core.contracts.provider import Remedy

NAME = "docker.io/library/devbench-demo:latest"
BUSYBOX_PLACES = (Path("/bin/busybox"), Path("/usr/bin/busybox"))
BUSYBOX_REMEDY = Remedy(argv=("apt-get", "install", "-y", "busybox-static"))
APPLETS = ("sh", "cat", "echo", "ls", "printf", "test", "true", "[")
FOLDERS = ("bin", "etc", "tmp", "proc", "dev", "sys", "workspace")
CLIENT_TIMEOUT_S = 60.0
PT_INTERP = 3
CLIENTS = {"docker": (("docker",), "-H"), "podman": (("podman", "--remote"), "--url")}
"""The engines' own clients, and how each is told an address; Podman's asks no service unless it is told to."""
OWN_WAY = "or name an image that the engine has: --image NAME"


@asynccontextmanager
async def demo_image(
    backend: LocalBackend, narrator: Narrator, wanted: str, *, install_missing: bool
) -> AsyncGenerator[str]:
    """Give the image to spawn from ("" for the default); what was made for the demo is removed afterwards.

    Raises:
        DemoFailed: The engine needs an image, none was named, and none can be made.
    """
    bench = backend.bench
    if wanted or bench.settings.images.default or not bench.runtime.capabilities.images:
        yield wanted
        return
    busybox = await _busybox(install_missing=install_missing)
    client = _client(backend)
    await _run([*client, "import", "-", NAME], await asyncio.to_thread(root_file_system, busybox))
    narrator.fact(f"made the image {NAME} from {busybox}, because none is configured")
    try:
        yield NAME
    finally:
        await _run([*client, "rmi", "-f", NAME], b"")


async def _busybox(*, install_missing: bool) -> Path:
    found = await asyncio.to_thread(static_busybox)
    if found is None and install_missing and await mend([BUSYBOX_REMEDY]):
        found = await asyncio.to_thread(static_busybox)
    if found is None:
        raise DemoFailed(
            "no image is configured, and there is no static busybox to make one of",
            hint=f"{for_people(BUSYBOX_REMEDY)}, {OWN_WAY}",
        )
    return found


def static_busybox(places: Sequence[Path] = BUSYBOX_PLACES) -> Path | None:
    """Return a busybox that needs no library, None when there is none."""
    return next((place for place in places if place.is_file() and is_static(place.read_bytes())), None)


def is_static(program: bytes) -> bool:
    """Tell whether a 64-bit ELF program names no dynamic loader."""
    if program[:5] != b"\x7fELF\x02":
        return False
    (offset,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    kinds = [struct.unpack_from("<I", program, offset + index * size)[0] for index in range(count)]
    return PT_INTERP not in kinds


def root_file_system(busybox: Path) -> bytes:
    """Return a tar of a root file system with nothing but busybox in it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for folder in FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        data = busybox.read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return target.getvalue()


def _client(backend: LocalBackend) -> list[str]:
    """Return the engine's own client, pointed at the engine that is configured."""
    runtime = backend.bench.runtime.name
    if runtime not in CLIENTS or shutil.which(runtime) is None:
        raise DemoFailed(
            f"no image is configured, and no client of {runtime} is here to make one",
            hint=f"set images.default, {OWN_WAY}",
        )
    client, option = CLIENTS[runtime]
    host = backend.bench.settings.plugin.get(runtime, {}).get("host")
    return [*client, option, str(host)] if host else [*client]


async def _run(argv: Sequence[str], data: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CLIENT_TIMEOUT_S):
            _, said = await process.communicate(data)
    except TimeoutError:
        process.kill()
        await process.wait()
        said = b"no answer"
    if process.returncode != 0:
        raise DemoFailed(
            f"`{' '.join(argv)}` failed: {said.decode('utf-8', 'replace').strip()}", hint=OWN_WAY
        )
