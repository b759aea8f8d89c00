"""Where files live while they are worked on: something that is killed and comes again, and a disk that can be full."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import attrs

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_runtime_bubblewrap.plugin import plugin
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from harness.agent_host import Connect
from harness.mortal_container import create, started

PAGE = 4096
PAGES, NODES = 2048, 160


@attrs.frozen
class Living:
    """An agent, alone or in its container.

    Attributes:
        workspace: As this machine sees it, also after its death.
        connect: Opens a stream to it.
        token: What the first host claims it with.
        kill: Ends all of it at once.
    """

    workspace: Path
    connect: Connect
    token: bytes
    kill: Callable[[], Awaitable[None]]


@contextmanager
def small_disk(folder: Path) -> Generator[None]:
    """Make a folder a file system of its own, of eight MiB and few files."""
    size = f"size={PAGES * PAGE},nr_inodes={NODES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def filled(folder: Path, pages: int | None, nodes: int | None) -> Generator[None]:
    """Leave so little of a small disk free; the filling lies in this folder."""
    fillings = [folder / f"filling-{i}" for i in range(NODES)]
    try:
        with suppress_full():
            if pages is not None:
                fill_pages(fillings[0], os.statvfs(folder).f_bavail - pages)
            for filling in fillings[: os.statvfs(folder).f_favail - nodes if nodes is not None else 0]:
                filling.touch()
        yield
    finally:
        for filling in fillings:
            filling.unlink(missing_ok=True)


@contextmanager
def suppress_full() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def fill_pages(file: Path, pages: int) -> None:
    with file.open("wb") as stream:
        if pages > 0:
            os.posix_fallocate(stream.fileno(), 0, pages * PAGE)


@asynccontextmanager
async def containers(
    folder: Path,
) -> AsyncGenerator[Callable[[], AbstractAsyncContextManager[Living]]]:
    """Give lives in real containers, one after the other with the same workspace.

    A container that died does not come again. Its workspace does: as an operator would who saves it, it is put where
    the next one's is.
    """
    await asyncio.to_thread(folder.chmod, 0o755)
    settings = BubblewrapSettings(folder=folder / "bubblewrap")
    context = OpenContext(
        installation=f"i_{secrets.token_hex(6)}",
        state_dir=folder / "state",
        cache_dir=folder / "cache",
        clock=SystemClock(),
    )
    async with plugin.devbench_runtimes()[0].open(settings, context) as runtime:
        assert isinstance(runtime, BubblewrapRuntime)
        saved = folder / "saved"

        @asynccontextmanager
        async def life() -> AsyncGenerator[Living]:
            ref, mark = await create(runtime, await runtime.resolve_image("host"))
            place = runtime.folders.container(ref).workspace
            if saved.exists():
                place.rmdir()
                saved.rename(place)
            try:
                async with started(runtime, ref, mark) as container:
                    yield Living(container.workspace, container.connect, container.token, container.kill)
            finally:
                with suppress(FileNotFoundError):
                    place.rename(saved)
                await runtime.remove(ref)

        yield life
