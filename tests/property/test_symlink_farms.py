"""Random trees of folders, files and links: each operation does what the rules say, in both ways of resolving.

They lie in a workspace, and in another root of the same container.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devbench_core.errors import DevbenchError, FileFailed
from devbench_core.model.file import FileType
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import LocalAgent, a_container, open_host, running_agent
from harness.farm import Farm, File, Folder, Link, Node, Refused, Where, harvest, plant
from harness.file_bench import WAYS, Bench, everything

T = TypeVar("T")
SECRET = b"outside"
NAMES = ("a", "b", "c")
STEP = st.sampled_from([*NAMES, *NAMES, "..", ".", "outside", "workspace"])


def target_of(start: str, steps: list[str], end: str) -> str:
    """Return a link's text."""
    return start + "/".join(steps) + end


def path_of(start: str, steps: list[str]) -> str:
    """Return a caller's path."""
    return (start + "/".join(steps)) or "."


TARGETS = st.builds(
    target_of,
    st.sampled_from(["", "", "", "../", "../outside/", "/", "/workspace/", "./"]),
    st.lists(STEP, min_size=1, max_size=4),
    st.sampled_from(["", "", "", "/", "/.", "/.."]),
)
LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(File, st.binary(max_size=6)), st.builds(Link, TARGETS), st.builds(Link, TARGETS)
)
TREES = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), st.one_of(LEAVES, inner), max_size=3),
    max_leaves=20,
)
PATHS = st.builds(
    path_of,
    st.sampled_from(["", "", "", "/workspace/", "/"]),
    st.lists(STEP, max_size=5),
)
OPERATIONS = st.sampled_from(
    ["stat", "read", "list", "write", "write parents", "mkdir", "mkdir parents", "delete", "delete all"]
)
PLANS = st.lists(st.tuples(OPERATIONS, PATHS, st.binary(max_size=6)), min_size=1, max_size=12)


def flat(tree: dict[str, Any], where: Where = ()) -> dict[Where, Node]:
    """Return a tree's nodes by their names."""
    found: dict[Where, Node] = {}
    for name, node in tree.items():
        if isinstance(node, dict):
            found[(*where, name)] = Folder()
            found |= flat(node, (*where, name))  # pyright: ignore[reportUnknownArgumentType]
        else:
            found[(*where, name)] = node
    return found


@attrs.frozen(kw_only=True)
class Pair:
    """Two roots of one host for each way of resolving, in a loop of a thread."""

    benches: list[Bench]
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


def other_root(folder: Path) -> Path:
    """Return another root than the workspace, of the same name: links say that."""
    return folder / "other" / "workspace"


async def serve(agents: Sequence[LocalAgent], opened: Callable[[Pair], None], over: asyncio.Event) -> None:
    """Keep hosts open until it is over."""
    first, second = agents
    async with open_host(first.connect, first.token) as one, open_host(second.connect, second.token) as two:
        benches: list[Bench] = []
        for host, agent in ((one, first), (two, second)):
            root = other_root(agent.workspace.parent)
            host.container = a_container(root)
            benches.append(Bench(files=host.files, workspace=agent.workspace))
            benches.append(Bench(files=host.files, workspace=root, root=str(root)))
        opened(Pair(benches=benches, loop=asyncio.get_running_loop()))
        await over.wait()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Generator[Pair]:
    """Agents of both ways, each with something outside that nobody may touch."""
    found: list[Pair] = []
    ready, over = threading.Event(), asyncio.Event()
    with ExitStack() as stack:
        folders = [tmp_path_factory.mktemp("farm") for _ in WAYS]
        for folder in folders:
            other_root(folder).mkdir(parents=True)
            for name in ("outside/a", "outside/b", "other/outside/a", "other/outside/b"):
                (folder / name).mkdir(parents=True)
                (folder / name / "c").write_bytes(SECRET)
        agents = [
            stack.enter_context(running_agent(folder, "--root", str(other_root(folder)), *options))
            for folder, options in zip(folders, WAYS.values(), strict=True)
        ]

        def opened(pair: Pair) -> None:
            found.append(pair)
            ready.set()

        thread = threading.Thread(target=lambda: asyncio.run(serve(agents, opened, over)))
        thread.start()
        assert ready.wait(20)
        yield found[0]
        found[0].loop.call_soon_threadsafe(over.set)
        thread.join(20)


def model(farm: Farm, operation: str, path: str, data: bytes) -> object:
    """Return what the rules say that an operation gives."""
    calls: dict[str, Callable[[], object]] = {
        "stat": lambda: farm.stat(path),
        "read": lambda: farm.read(path),
        "list": lambda: farm.list(path),
        "write": lambda: farm.write(path, data, parents=False),
        "write parents": lambda: farm.write(path, data, parents=True),
        "mkdir": lambda: farm.mkdir(path, parents=False),
        "mkdir parents": lambda: farm.mkdir(path, parents=True),
        "delete": lambda: farm.delete(path, recursive=False),
        "delete all": lambda: farm.delete(path, recursive=True),
    }
    try:
        return calls[operation]()
    except Refused as error:
        return error.code


async def real(bench: Bench, operation: str, path: str, data: bytes) -> object:
    """Return what it really gives, in the same words."""
    try:
        return await _done(bench, operation, bench.path(path), data)
    except FileFailed as error:
        return error.details["reason"]
    except DevbenchError as error:
        return error.code


async def _done(bench: Bench, operation: str, path: str, data: bytes) -> object:
    files = bench.files
    match operation:
        case "stat":
            info = await files.stat(C, path)
            if info.type is FileType.FILE:
                return File((await files.read(C, path)).data)
            return Link(info.target) if info.type is FileType.SYMLINK else Folder()
        case "read":
            return (await files.read(C, path)).data
        case "list":
            return [info.path.name for info in (await files.list(C, path)).entries]
        case "write" | "write parents":
            await files.write(C, path, data, parents="parents" in operation)
        case "mkdir" | "mkdir parents":
            await files.mkdir(C, path, parents="parents" in operation)
        case _:
            await files.delete(C, path, recursive="all" in operation)
    return None


@settings(max_examples=150)
@given(tree=TREES, plan=PLANS, further=st.booleans())
@example(tree={}, plan=[("stat", "../workspace", b"")], further=True)
@example(tree={}, plan=[("stat", "../workspace", b"")], further=False)
def test_each_operation_does_what_the_rules_say_and_nothing_outside(
    pair: Pair, tree: dict[str, Any], plan: list[tuple[str, str, bytes]], further: bool
) -> None:
    for bench in pair.benches:
        if bool(bench.root) is not further:
            continue
        outside = bench.workspace.parent / "outside"
        beside = everything(outside)
        farm = Farm(flat(tree))
        bench.empty()
        plant(farm.nodes, bench.workspace)
        for operation, path, data in plan:
            wanted = model(farm, operation, bench.named(path), data)
            assert pair.run(real(bench, operation, path, data)) == wanted, (operation, path)
        assert harvest(bench.workspace) == farm.nodes
        assert everything(outside) == beside


@pytest.mark.parametrize("count", [39, 40, 41])
def test_forty_links_are_followed_and_one_more_is_not(pair: Pair, count: int) -> None:
    nodes: dict[Where, Node] = {("end",): Folder(), ("end", "f"): File(b"x")}
    for i in range(count):
        nodes[(f"l{i}",)] = Link("end" if i == 0 else f"l{i - 1}")
        nodes[(f"m{i}",)] = Link("end/f" if i == 0 else f"m{i - 1}")
    # Half of them on the way, half at the end.
    nodes[("half",)] = Link(f"l{count // 2 - 1}/out")
    nodes[("end", "out")] = Link(f"../m{count - count // 2 - 3}")
    for bench in pair.benches:
        for operation in ("read", "write", "list", "mkdir", "delete"):
            for path in (f"l{count - 1}", f"m{count - 1}", f"l{count - 1}/f", "half"):
                farm = Farm(dict(nodes))
                bench.empty()
                plant(nodes, bench.workspace)
                wanted = model(farm, operation, path, b"y")
                assert pair.run(real(bench, operation, path, b"y")) == wanted, (operation, path)
                assert harvest(bench.workspace) == farm.nodes


def test_the_corpus_of_one_rule_is_not_empty(tmp_path: Path) -> None:
    farm = Farm({("a",): Folder(), ("a", "b"): Link("../c/"), ("c",): File(b"x")})
    assert model(farm, "read", "a/b", b"") == "not_directory"
    assert model(farm, "read", "a/../c", b"") == b"x"
    plant(farm.nodes, tmp_path)
    assert harvest(tmp_path) == farm.nodes
