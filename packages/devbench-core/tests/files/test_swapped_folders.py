"""Somebody in the container swaps folders with links to outside as fast as he can: nothing outside is touched."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from devbench_core.errors import DevbenchError, FileFailed
from devbench_core.files import Files
from devbench_core.model.file import FileInfo
from harness import swapper
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import open_host, running_agent
from harness.file_bench import WAYS, everything

SECRET = b"nobody inside may see this"
SECONDS = 1.5
AT_ONCE = 8
NAMES_INSIDE = {"leaf", "way", "tree", "deep", "f", "new", "made"}
EXPECTED = {
    "ok",
    "path_outside_workspace",
    "file_not_found",
    "file_conflict",
    "agent_unavailable",  # at each of many looks the names had changed hands
    "exists",
    "is_directory",
    "not_directory",
}


def plant(workspace: Path, *, relative: bool) -> Path:
    """Make the folder and the link that change places; return what lies outside."""
    outside = workspace.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    for name in ("canary", "sub/canary", "leaf", "sub/leaf"):
        (outside / name).write_bytes(SECRET)
    (workspace / "box" / "way").mkdir(parents=True)
    (workspace / "box" / "leaf").write_bytes(b"inside")
    (workspace / "box" / "way" / "leaf").write_bytes(b"inside")
    (workspace / "spare").symlink_to("../outside" if relative else outside)
    return outside


@contextmanager
def swapping(mode: str, workspace: Path, outside: Path) -> Generator[None]:
    """Let somebody swap during the block."""
    words = [sys.executable, swapper.__file__, mode, str(workspace), str(outside)]
    with subprocess.Popen(words) as process:
        try:
            yield
        finally:
            process.kill()


@asynccontextmanager
async def attacked(folder: Path, way: str, mode: str, *, relative: bool) -> AsyncGenerator[Files]:
    """Files of a workspace in which somebody swaps; after the block all outside is as it was."""
    with running_agent(folder, *WAYS[way]) as agent:
        outside = plant(agent.workspace, relative=relative)
        before = (everything(outside), outside.stat().st_mode)
        with swapping(mode, agent.workspace, outside):
            async with open_host(agent.connect, agent.token) as host:
                yield host.files
        assert (everything(outside), outside.stat().st_mode) == before


class Worker:
    """Does one kind of operation after another, and looks at what came of it."""

    def __init__(self, files: Files, until: float) -> None:
        self._files = files
        self._until = until
        self.outcomes: Counter[str] = Counter()

    async def run(self, number: int) -> None:
        """Work until the time is over."""
        kinds: list[Callable[[str], Coroutine[Any, Any, None]]] = [
            self.read,
            self.write,
            self.list,
            self.stat,
            self.mkdir,
            self.delete,
            self.conditional,
        ]
        for turn in itertools.count(number):
            if time.monotonic() > self._until:
                return
            for place in ("box", "box/way"):
                await self.one(kinds[turn % len(kinds)], place)

    async def one(self, operation: Callable[[str], Coroutine[Any, Any, None]], place: str) -> None:
        """Do it and count how it ended."""
        try:
            await operation(place)
        except FileFailed as error:
            self.outcomes[str(error.details["reason"])] += 1
        except DevbenchError as error:
            self.outcomes[error.code] += 1
        else:
            self.outcomes["ok"] += 1

    def see(self, info: FileInfo) -> None:
        """Nothing outside is described."""
        assert info.size_bytes != len(SECRET)

    async def read(self, place: str) -> None:
        """Read."""
        content = await self._files.read(C, f"{place}/leaf")
        assert content.data in {b"inside", b"written", b"matched"}
        self.see(content.info)

    async def write(self, place: str) -> None:
        """Write over a file, and a new one beneath new folders."""
        self.see((await self._files.write(C, f"{place}/leaf", b"written")).info)
        await self._files.write(C, f"{place}/tree/deep/f", b"written", parents=True)

    async def conditional(self, place: str) -> None:
        """Write on a condition."""
        etag = (await self._files.read(C, f"{place}/leaf")).info.etag
        await self._files.write(C, f"{place}/leaf", b"matched", if_match=etag)
        await self._files.write(C, f"{place}/new", b"written", if_none_match=True)

    async def list(self, place: str) -> None:
        """List."""
        for info in (await self._files.list(C, place)).entries:
            assert info.path.name in NAMES_INSIDE
            self.see(info)

    async def stat(self, place: str) -> None:
        """Describe."""
        self.see(await self._files.stat(C, f"{place}/leaf"))

    async def mkdir(self, place: str) -> None:
        """Make a folder."""
        await self._files.mkdir(C, f"{place}/made/deep", parents=True)

    async def delete_tree(self, place: str) -> None:
        """Delete a tree."""
        await self._files.delete(C, f"{place}/tree", recursive=True)

    async def delete(self, place: str) -> None:
        """Delete files and trees."""
        await self._files.delete(C, f"{place}/new")
        await self.delete_tree(place)
        await self._files.delete(C, f"{place}/made", recursive=True)


async def work(files: Files) -> Counter[str]:
    """Work on many things at once; return how often each ending came."""
    worker = Worker(files, time.monotonic() + SECONDS)
    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(worker.run(number))
    return worker.outcomes


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize("mode", ["exchange", "rename", "unlink"])
@pytest.mark.parametrize("way", list(WAYS))
async def test_nothing_outside_is_touched_while_names_change_hands(
    tmp_path: Path, way: str, mode: str, relative: bool
):
    async with attacked(tmp_path, way, mode, relative=relative) as files:
        outcomes = await work(files)
    assert set(outcomes) <= EXPECTED, outcomes
    assert outcomes["ok"] > 0, outcomes


@pytest.mark.parametrize("mode", ["theft", "within"])
@pytest.mark.parametrize("way", list(WAYS))
async def test_nothing_outside_is_touched_while_what_the_agent_works_on_is_stolen(
    tmp_path: Path, way: str, mode: str
):
    async with attacked(tmp_path, way, mode, relative=False) as files:
        until = time.monotonic() + SECONDS
        worker = Worker(files, until)
        while time.monotonic() < until:
            for operation in (worker.write, worker.mkdir, worker.delete_tree):
                await worker.one(operation, "box")
    assert worker.outcomes["ok"] > 0, worker.outcomes
