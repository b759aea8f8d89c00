"""A container dies in the middle of an operation: whoever serves its workspace next leaves nothing of it by half."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.containers.requests import PolicyRequest
from devbench_core.contracts.runtime import Runtime
from devbench_core.files import Files
from devbench_core.model.archive import ArchiveFormat
from devbench_core.model.batch import BatchDelete, BatchOperation, BatchWrite
from devbench_core.model.execution import ExecRequest
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.files_place import seen_from_outside
from devbench_core.testing.kit.hostile_archives import by_tarfile
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import eventually, open_host, running_agent
from harness.mortal_container import MortalContainer, create, started

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root sees the workspace of a container that died"),
]
HIDDEN = ".devbench-tmp-"
FILES = 400
LIMIT_S = 20.0
Seen = dict[str, int | None]
TREE: Seen = {f"{i % 20}/{i}": 1000 for i in range(FILES)} | {f"{i}": None for i in range(20)}


@attrs.frozen
class Mortals:
    """Makes containers on one runtime."""

    runtime: Runtime
    image: str

    @asynccontextmanager
    async def __call__(self) -> AsyncGenerator[tuple[MortalContainer, str]]:
        """A container, and its mark."""
        ref, mark = await create(self.runtime, await self.runtime.resolve_image(self.image))
        try:
            async with started(self.runtime, ref, mark) as container:
                yield container, mark
        finally:
            await self.runtime.remove(ref)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mortals(files_config: dict[str, Any]) -> AsyncGenerator[Mortals]:
    """Containers that no host looks after, so that nobody puts them away when they die."""
    async with devbench_core.open(files_config) as bench:
        yield Mortals(bench.runtime, files_config["images"]["default"])


@asynccontextmanager
async def next_agent(dead: MortalContainer, mark: str, folder: Path) -> AsyncGenerator[Files]:
    """The container again where its engine starts one again, else another agent with the same workspace."""
    if dead.runtime.name == "docker":
        async with (
            started(dead.runtime, dead.ref, mark) as again,
            open_host(again.connect, again.token) as host,
        ):
            yield host.files
    else:
        (folder / "workspace").symlink_to(dead.workspace)
        with running_agent(folder) as agent:
            async with open_host(agent.connect, agent.token) as host:
                yield host.files


def seen(folder: Path) -> Seen:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.stat().st_size
        for path in folder.rglob("*")
    }


async def parts(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 20_000):
        yield data[start : start + 20_000]


def changes() -> list[BatchOperation]:
    writes = [BatchWrite(path=f"new/{i}", data=b"n" * 500, parents=True) for i in range(200)]
    return [*writes, BatchDelete(path="tree", recursive=True)]


def archive() -> bytes:
    return by_tarfile({f"{i}": b"n" * 500 for i in range(200)}, ArchiveFormat.TAR)


def beneath(name: str, what: Seen) -> Seen:
    return {name: None} | {f"{name}/{path}": size for path, size in what.items()}


BEFORE = beneath("tree", TREE)
NEW = beneath("new", {f"{i}": 500 for i in range(200)})
OPERATIONS: dict[str, tuple[Callable[[Files], Awaitable[object]], Seen]] = {
    "delete": (lambda files: files.delete(C, "tree", recursive=True), {}),
    "copy": (lambda files: files.copy(C, "tree", "new", recursive=True), BEFORE | beneath("new", TREE)),
    "write": (
        lambda files: files.write(C, "new/f", b"n" * 9_000_000, parents=True),
        BEFORE | {"new": None, "new/f": 9_000_000},
    ),
    "stream": (
        lambda files: files.write_stream(C, "new/f", parts(b"n" * 1_000_000), parents=True),
        BEFORE | {"new": None, "new/f": 1_000_000},
    ),
    "batch": (lambda files: files.batch(C, changes()), NEW),
    "import": (lambda files: files.import_archive(C, "new", parts(archive()), format="tar"), BEFORE | NEW),
}


@pytest.mark.parametrize("operation", list(OPERATIONS))
async def test_a_container_that_dies_in_an_operation_leaves_nothing_of_it_by_half(
    mortals: Mortals, operation: str, tmp_path: Path
):
    call, after = OPERATIONS[operation]
    async with mortals() as (container, mark):
        for path, size in BEFORE.items():
            if size is not None:
                (container.workspace / path).parent.mkdir(parents=True, exist_ok=True)
                (container.workspace / path).write_bytes(b"x" * size)
        give_to_user(container.workspace)
        async with open_host(container.connect, container.token) as host:
            await host.files.list(C)
            doing = asyncio.ensure_future(call(host.files))
            async with asyncio.timeout(LIMIT_S):
                while not doing.done() and seen_or_nothing(container.workspace) == BEFORE:
                    await asyncio.sleep(0)
            await container.kill()
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
        async with next_agent(container, mark, tmp_path) as files:
            await files.list(C)
            deadline = asyncio.get_running_loop().time() + LIMIT_S
            while (now := seen_or_nothing(container.workspace)) not in (BEFORE, after):
                assert now is None or any(HIDDEN in path for path in now), now
                left = [path for path in now or () if HIDDEN in path]
                assert asyncio.get_running_loop().time() < deadline, f"still there: {left}"
                await asyncio.sleep(0.01)


OTHER = 4242


async def test_an_agent_of_another_user_takes_what_its_own_left_and_nothing_that_others_work_on(
    files_config: dict[str, Any],
):
    async with devbench_core.open(files_config) as bench:
        if Clause.EXEC_USERS not in bench.runtime.capabilities.enforces:
            return  # there are no others
        policy = PolicyRequest(exec_users=(f"{OTHER}:{OTHER}",))
        container = (await bench.containers.spawn(SpawnRequest(policy=policy))).container.id
        mark = f"mark-{secrets.token_hex(8)}"
        await bench.files.write(container, mark, b"")
        await bench.files.mkdir(container, "shared")
        await bench.files.chmod(container, "shared", 0o777)
        shared = seen_from_outside(mark) / "shared"
        go_on = asyncio.Event()
        writing = asyncio.create_task(bench.files.write_stream(container, "shared/f", in_two(go_on)))
        await eventually(lambda: len(list(shared.iterdir())) == 1)
        (begun,) = shared.iterdir()
        debris = shared / f"{HIDDEN}{'0' * 16}"
        debris.mkdir()
        os.chown(debris, OTHER, OTHER)
        command = ExecRequest(argv=("/bin/true",), user=f"{OTHER}:{OTHER}")
        await bench.execs.start(container, command)
        await eventually(lambda: not debris.exists())
        assert begun.exists()
        go_on.set()
        await writing
        assert (await bench.files.read(container, "shared/f")).data == b"one" * 9000 + b"two"


async def in_two(go_on: asyncio.Event) -> AsyncIterator[bytes]:
    yield b"one" * 9000
    await go_on.wait()
    yield b"two"


def give_to_user(workspace: Path) -> None:
    """Let the container's user own what was put there from outside."""
    owner = workspace.stat()
    for path in workspace.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid)


def seen_or_nothing(workspace: Path) -> Seen | None:
    """What is there; None when it changed while it was looked at."""
    try:
        return seen(workspace)
    except FileNotFoundError:
        return None
