"""File operations, and what each makes of a tree of files in memory."""

from __future__ import annotations

import attrs

from devbench_core.files import Files
from devbench_core.model.batch import BatchDelete, BatchMove, BatchOperation, BatchWrite
from devbench_core.model.filechange import Replacement
from harness.agent_host import CONTAINER_ID as C

Tree = dict[str, bytes | None]
"""By path: a file's content, None for a folder."""
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
