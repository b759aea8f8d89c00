"""Files against a model in memory: whatever is done in whatever order, whoever dies, and however full the disk is."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.errors import DevbenchError
from devbench_core.files import Files
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import open_host, running_agent
from harness.file_lives import Living, containers, filled, small_disk
from harness.file_model import Mkdir, Move, Operation, Tree, Write
from harness.file_steps import CRASH, NO_SPACE, Crash, NoSpace, Step, steps

FACTOR = int(os.environ.get("DEVBENCH_TEST_MODEL_FACTOR", "1"))
"""How many times as many examples as usual."""
Lives = Callable[[], AbstractAsyncContextManager[Living]]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and see into containers")


@given(steps(CRASH), st.booleans())
@settings(max_examples=120 * FACTOR, deadline=None, print_blob=True)
def test_files_are_what_the_model_says_after_each_step_and_after_each_death(
    wanted: list[Step], by_kernel: bool
):
    options = () if by_kernel else ("--no-openat2", "--no-renameat2")
    with tempfile.TemporaryDirectory(prefix="devbench-model-") as folder:
        asyncio.run(check(partial(one_agent, Path(folder), options), wanted, by_kernel=by_kernel))


@AS_ROOT
@given(steps(NO_SPACE, CRASH), st.booleans())
@settings(max_examples=100 * FACTOR, deadline=None, print_blob=True)
def test_files_are_what_the_model_says_also_when_the_disk_is_full(wanted: list[Step], by_kernel: bool):
    options = () if by_kernel else ("--no-openat2", "--no-renameat2")
    with tempfile.TemporaryDirectory(prefix="devbench-model-") as folder, small_disk(Path(folder)):
        asyncio.run(check(partial(one_agent, Path(folder), options), wanted, by_kernel=by_kernel))


@AS_ROOT
@given(steps(CRASH))
@settings(max_examples=8 * FACTOR, deadline=None, print_blob=True)
def test_files_are_what_the_model_says_after_each_death_of_their_container(wanted: list[Step]):
    with tempfile.TemporaryDirectory(prefix="devbench-model-") as folder:
        asyncio.run(check_in_containers(Path(folder), wanted))


async def check_in_containers(folder: Path, wanted: list[Step]) -> None:
    async with containers(folder) as lives:
        await check(lives, wanted)


@asynccontextmanager
async def one_agent(folder: Path, options: tuple[str, ...]) -> AsyncGenerator[Living]:
    with running_agent(folder, *options) as agent:

        async def kill() -> None:
            agent.kill()

        yield Living(agent.workspace, agent.connect, agent.token, kill)


async def check(lives: Lives, wanted: list[Step], *, by_kernel: bool = True) -> None:
    left = list(wanted)
    allowed: list[Tree] | None = [{}]
    while allowed is not None:
        async with lives() as living:
            allowed = await until_death(living, allowed, left, by_kernel=by_kernel)


async def until_death(
    living: Living, allowed: list[Tree], left: list[Step], *, by_kernel: bool
) -> list[Tree] | None:
    """Take steps until all is killed: return what may be there then. None when no step is left."""
    async with open_host(living.connect, living.token) as host:
        await host.files.list(C)  # requests wait until what was committed is carried forward
        tree = await settled(living.workspace, allowed)
        while left:
            match left.pop(0):
                case Crash() as crash:
                    return await killed(living, host.files, tree, crash, by_kernel=by_kernel)
                case NoSpace() as step:
                    tree = await without_space(living.workspace, host.files, tree, step)
                case operation:
                    tree = await done(host.files, tree, operation)
                    assert seen(living.workspace) == tree, operation
    return None


async def done(files: Files, tree: Tree, operation: Operation) -> Tree:
    after = operation.model(tree)
    refused = await tried(operation.do(files))
    assert (refused is None) is (after is not None), (operation, refused)
    return tree if after is None else after


async def without_space(workspace: Path, files: Files, tree: Tree, step: NoSpace) -> Tree:
    """What does not fit is refused as that, changes nothing and leaves nothing."""
    after = step.operation.model(tree)
    with filled(workspace.parent, step.pages, step.nodes):
        refused = await tried(step.operation.do(files))
    if refused is not None and after is not None:
        assert refused.details.get("reason") == "no_space", (step, refused)
    assert refused is not None or after is not None, step
    return await settled(workspace, [tree if refused is not None or after is None else after])


async def tried(work: Awaitable[object]) -> DevbenchError | None:
    try:
        await work
    except DevbenchError as error:
        return error
    return None


async def killed(living: Living, files: Files, tree: Tree, crash: Crash, *, by_kernel: bool) -> list[Tree]:
    """Kill in the middle; what the next one shows is the tree before or the one after."""
    doing = asyncio.ensure_future(tried(crash.operation.do(files)))
    for _ in range(crash.turns):
        await asyncio.sleep(0)
    await living.kill()
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    after = crash.operation.model(tree)
    if after is None:
        return [tree]
    return [
        tree,
        after,
        *half_made(tree, crash.operation),
        *([] if by_kernel else two_names(tree, crash.operation)),
    ]


def two_names(tree: Tree, operation: Operation) -> list[Tree]:
    """A kernel that cannot move a file to a free name only gives it the second name, and then takes the first away."""
    if not isinstance(operation, Move) or operation.to in tree or tree[operation.path] is None:
        return []
    return [tree | {operation.to: tree[operation.path]}]


def half_made(tree: Tree, operation: Operation) -> list[Tree]:
    """Folders above a path are made one after the other, so a kill between two leaves some of them, empty."""
    if not isinstance(operation, Write | Mkdir) or not operation.parents:
        return []
    trees: list[Tree] = []
    now = tree
    names = operation.path.split("/")[:-1]
    for end in range(1, len(names) + 1):
        now = {"/".join(names[:end]): None} | now
        trees.append(now)
    return trees


async def settled(workspace: Path, allowed: list[Tree]) -> Tree:
    """Return the tree that is there once what a death left has been swept: one of these, and no debris."""
    async with asyncio.timeout(20):
        while True:
            try:
                now = seen(workspace)
            except FileNotFoundError:  # it is being swept
                continue
            if now in allowed:
                return now
            assert any(name.rpartition("/")[2].startswith(".devbench-tmp-") for name in now), (now, allowed)
            await asyncio.sleep(0.01)


def seen(workspace: Path) -> Tree:
    return {
        str(entry.relative_to(workspace)): None if entry.is_dir() else entry.read_bytes()
        for entry in workspace.rglob("*")
    }
