"""Files against a model in memory: whatever is done in whatever order, and whenever the agent dies."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.errors import DevbenchError
from devbench_core.files import Files
from devbench_core.model.batch import BatchDelete, BatchMove, BatchOperation, BatchWrite
from devbench_core.model.filechange import Replacement
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import LocalAgent, open_host, running_agent

Tree = dict[str, bytes | None]
"""By path: a file's content, None for a folder."""
Change = Callable[[Tree], Tree | None]
"""Makes the tree that follows, None where the operation must be refused."""

PATHS = ("a", "b", "d", "d/a", "d/e", "d/e/f")
NOTHING = "0" * 32


def parent_is_there(tree: Tree, path: str) -> bool:
    folder = path.rpartition("/")[0]
    return not folder or (folder in tree and tree[folder] is None)


def with_parents(tree: Tree, path: str) -> Tree | None:
    made = dict(tree)
    names = path.split("/")[:-1]
    for end in range(1, len(names) + 1):
        folder = "/".join(names[:end])
        if made.setdefault(folder, None) is not None:
            return None
    return made


def beneath(tree: Tree, path: str) -> list[str]:
    return [name for name in tree if name.startswith(f"{path}/")]


def without(tree: Tree, path: str) -> Tree:
    return {name: data for name, data in tree.items() if name != path and not name.startswith(f"{path}/")}


def moved(tree: Tree, path: str, to: str) -> Tree:
    """The subtree of a path under another name, nothing else."""
    return {to + name[len(path) :]: tree[name] for name in [path, *beneath(tree, path)]}


@attrs.frozen
class Write:
    """Write, only on a condition or behind what is there when asked."""

    path: str
    data: bytes
    how: str
    parents: bool

    def model(self, tree: Tree) -> Tree | None:
        there = self.path in tree
        if there and tree[self.path] is None:
            return None
        if (self.how == "new" and there) or (self.how == "match" and not there) or self.how == "stale":
            return None
        made = with_parents(tree, self.path) if self.parents else dict(tree)
        if made is None or not parent_is_there(made, self.path):
            return None
        before = tree.get(self.path) or b""
        return made | {self.path: before + self.data if self.how == "append" else self.data}

    async def do(self, files: Files) -> object:
        etag = NOTHING if self.how == "stale" else None
        if self.how == "match":
            etag = (await files.stat(C, self.path)).etag or NOTHING
        return await files.write(
            C,
            self.path,
            self.data,
            if_match=etag,
            if_none_match=self.how == "new",
            append=self.how == "append",
            parents=self.parents,
        )


@attrs.frozen
class Edit:
    """Replace a letter that must be there once."""

    path: str

    def model(self, tree: Tree) -> Tree | None:
        data = tree.get(self.path)
        return (
            None if data is None or data.count(b"x") != 1 else tree | {self.path: data.replace(b"x", b"yy")}
        )

    async def do(self, files: Files) -> object:
        return await files.edit(C, self.path, replacements=[Replacement(old="x", new="yy")])


@attrs.frozen
class Delete:
    """Delete."""

    path: str
    recursive: bool

    def model(self, tree: Tree) -> Tree | None:
        full = bool(beneath(tree, self.path))
        return None if self.path not in tree or (full and not self.recursive) else without(tree, self.path)

    async def do(self, files: Files) -> object:
        return await files.delete(C, self.path, recursive=self.recursive)


@attrs.frozen
class Mkdir:
    """Make a folder."""

    path: str
    parents: bool

    def model(self, tree: Tree) -> Tree | None:
        if self.parents:
            made = with_parents(tree, self.path)
            return None if made is None or made.get(self.path) is not None else made | {self.path: None}
        return None if self.path in tree or not parent_is_there(tree, self.path) else tree | {self.path: None}

    async def do(self, files: Files) -> object:
        return await files.mkdir(C, self.path, parents=self.parents)


@attrs.frozen
class Move:
    """Move to another path."""

    path: str
    to: str
    overwrite: bool

    def model(self, tree: Tree) -> Tree | None:
        if self.path not in tree or not parent_is_there(tree, self.to) or self.to.startswith(f"{self.path}/"):
            return None
        if self.to in tree:
            same_kind = (tree[self.path] is None) == (tree[self.to] is None)
            if not self.overwrite or not same_kind or beneath(tree, self.to):
                return None
        return without(without(tree, self.to), self.path) | moved(tree, self.path, self.to)

    async def do(self, files: Files) -> object:
        return await files.move(C, self.path, self.to, overwrite=self.overwrite)


@attrs.frozen
class Copy:
    """Copy to another path."""

    path: str
    to: str
    overwrite: bool

    def model(self, tree: Tree) -> Tree | None:
        if self.path not in tree or not parent_is_there(tree, self.to):
            return None
        folder = tree[self.path] is None
        if self.to in tree and (folder or not self.overwrite or tree[self.to] is None):
            return None
        if folder and self.to.startswith(f"{self.path}/"):
            return None
        return tree | moved(tree, self.path, self.to)

    async def do(self, files: Files) -> object:
        return await files.copy(C, self.path, self.to, recursive=True, overwrite=self.overwrite)


@attrs.frozen
class Batch:
    """Several of these, or none."""

    steps: tuple[Write | Delete | Move, ...]

    def model(self, tree: Tree) -> Tree | None:
        now: Tree | None = tree
        for step in self.steps:
            now = None if now is None else step.model(now)
        return now

    async def do(self, files: Files) -> object:
        return await files.batch(C, [self._operation(step) for step in self.steps])

    def _operation(self, step: Write | Delete | Move) -> BatchOperation:
        match step:
            case Write():
                return BatchWrite(
                    path=step.path, data=step.data, if_none_match=step.how == "new", parents=step.parents
                )
            case Delete():
                return BatchDelete(path=step.path, recursive=step.recursive)
            case Move():
                return BatchMove(path=step.path, target=step.to)


Operation = Write | Edit | Delete | Mkdir | Move | Copy | Batch


@attrs.frozen
class Crash:
    """The agent is killed so many turns of the loop after an operation was begun."""

    operation: Operation
    turns: int


path = st.sampled_from(PATHS)
data = st.sampled_from([b"", b"x", b"1 x 2", b"xx", b"\xff\x00", b"z" * 70_000])
WRITE = st.builds(
    Write, path, data, st.sampled_from(["any", "new", "match", "stale", "append"]), st.booleans()
)


@st.composite
def of_two(draw: st.DrawFn, kind: type[Move | Copy], *, overwrite: bool | None = None) -> Move | Copy:
    """A move or copy between different paths."""
    source = draw(path)
    target = draw(path.filter(lambda other: other != source))
    return kind(source, target, draw(st.booleans()) if overwrite is None else overwrite)


def as_tuple(steps: list[Write | Delete | Move]) -> tuple[Write | Delete | Move, ...]:
    return tuple(steps)


PLAIN_WRITE = st.builds(Write, path, data, st.sampled_from(["any", "new"]), st.booleans())
DELETE = st.builds(Delete, path, st.booleans())
BATCHED: st.SearchStrategy[Write | Delete | Move] = st.one_of(
    PLAIN_WRITE, DELETE, st.builds(Move, path, path, st.just(False)).filter(lambda move: move.path != move.to)
)
OPERATION: st.SearchStrategy[Operation] = st.one_of(
    WRITE,
    WRITE,
    st.builds(Edit, path),
    DELETE,
    st.builds(Mkdir, path, st.booleans()),
    of_two(Move),
    of_two(Copy),
    st.builds(Batch, st.lists(BATCHED, min_size=1, max_size=4).map(as_tuple)),
)
STEP = st.one_of(OPERATION, OPERATION, OPERATION, st.builds(Crash, OPERATION, st.integers(1, 12)))


@given(st.lists(STEP, min_size=6, max_size=30), st.booleans())
@settings(max_examples=300, deadline=None)
def test_files_are_what_the_model_says_after_each_step_and_after_each_death(
    steps: list[Operation | Crash], by_kernel: bool
):
    options = () if by_kernel else ("--no-openat2", "--no-renameat2")
    with tempfile.TemporaryDirectory(prefix="devbench-model-") as folder:
        asyncio.run(check(Path(folder), options, steps))


async def check(folder: Path, options: tuple[str, ...], steps: list[Operation | Crash]) -> None:
    tree: Tree = {}
    left = list(steps)
    while left:
        with running_agent(folder, *options) as agent:
            tree = await until_death(agent, tree, left)


async def until_death(agent: LocalAgent, tree: Tree, left: list[Operation | Crash]) -> Tree:
    """Take steps until the agent is killed or none is left; return the tree that there must be then."""
    async with open_host(agent.connect, agent.token) as host:
        await settled(agent.workspace, [tree])
        while left:
            step = left.pop(0)
            if isinstance(step, Crash):
                return await killed(agent, host.files, tree, step)
            tree = await done(host.files, tree, step)
            assert seen(agent.workspace) == tree, step
    return tree


async def done(files: Files, tree: Tree, operation: Operation) -> Tree:
    after = operation.model(tree)
    refused: DevbenchError | None = None
    try:
        await operation.do(files)
    except DevbenchError as error:
        refused = error
    assert (refused is None) is (after is not None), (operation, refused)
    return tree if after is None else after


async def killed(agent: LocalAgent, files: Files, tree: Tree, crash: Crash) -> Tree:
    """Kill the agent in the middle; what the next one shows is the tree before or the one after."""
    doing = asyncio.ensure_future(ignoring(crash.operation.do(files)))
    for _ in range(crash.turns):
        await asyncio.sleep(0)
    agent.kill()
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    after = crash.operation.model(tree)
    with running_agent(agent.workspace.parent) as next_agent:
        async with open_host(next_agent.connect, next_agent.token) as host:
            await host.files.list(C)  # requests wait until what was committed is carried forward
            return await settled(next_agent.workspace, [tree, *([] if after is None else [after])])


async def ignoring(work: Awaitable[object]) -> None:
    try:
        await work
    except DevbenchError:
        return


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
