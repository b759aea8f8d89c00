"""A plain model of a workspace full of links: what each operation must say and do, by the rules alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

LINKS_MAX = 40
Where = tuple[str, ...]


class Refused(Exception):
    """An operation fails so."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@attrs.frozen
class File:
    """A file."""

    data: bytes


@attrs.frozen
class Link:
    """A symbolic link."""

    target: str


@attrs.frozen
class Folder:
    """A folder."""


Node = File | Link | Folder
ROOT = Folder()


def plain(path: str) -> Where:
    """Return the names of a caller's path: ``..`` is resolved by the text alone."""
    names = [name for name in path.split("/") if name not in {"", "."}]
    kept: list[str] = []
    for name in names:
        if name != "..":
            kept.append(name)
        elif kept:
            kept.pop()
        else:
            raise Refused("path_outside_workspace")
    if path.startswith("/"):
        if kept[:1] != ["workspace"]:
            raise Refused("path_outside_workspace")
        return tuple(kept[1:])
    return tuple(kept)


@attrs.define
class Farm:
    """What lies in the workspace, by its names."""

    nodes: dict[Where, Node]

    def find(self, names: Where, *, follow: bool) -> tuple[Where, Node | None]:
        """Return where a path really leads, and what is there."""
        at: Where = ()
        left = list(names)
        links = 0
        while left:
            name = left.pop(0)
            if name == ".":
                continue
            if name == "..":
                if not at:
                    raise Refused("path_outside_workspace")
                at = at[:-1]
                continue
            node = self.nodes.get((*at, name))
            if node is None:
                if left:
                    raise Refused("file_not_found")
                return (*at, name), None
            if isinstance(node, Link) and (left or follow):
                links += 1
                left = self._followed(node.target, links) + left
            elif not left:
                return (*at, name), node
            elif isinstance(node, File):
                raise Refused("not_directory")
            else:
                at = (*at, name)
        return at, self.nodes[at] if at else ROOT

    def _followed(self, target: str, links: int) -> list[str]:
        if links > LINKS_MAX:
            raise Refused("loop")
        if target.startswith("/"):
            raise Refused("path_outside_workspace")
        names = [name for name in target.split("/") if name]
        return [*names, "."] if target.endswith("/") else names

    def beneath(self, where: Where) -> list[Where]:
        """Return all that lies in a folder, however deep."""
        return [names for names in self.nodes if len(names) > len(where) and names[: len(where)] == where]

    def names(self, where: Where) -> list[str]:
        """Return the names in a folder in the order of a listing."""
        return sorted(names[-1] for names in self.nodes if names[:-1] == where and names)

    def make_parents(self, names: Where) -> None:
        """Make missing folders above a path."""
        for end in range(1, len(names)):
            where, node = self.find(names[:end], follow=True)
            if node is None:
                self.nodes[where] = Folder()
            elif isinstance(node, File):
                raise Refused("not_directory")

    # ---- the operations

    def stat(self, path: str) -> Node:
        """Describe."""
        return self._there(self.find(plain(path), follow=False)[1])

    def read(self, path: str) -> bytes:
        """Read."""
        node = self._there(self.find(plain(path), follow=True)[1])
        if not isinstance(node, File):
            raise Refused("is_directory")
        return node.data

    def list(self, path: str) -> list[str]:
        """List."""
        where, node = self.find(plain(path), follow=True)
        if isinstance(self._there(node), File):
            raise Refused("not_directory")
        return self.names(where)

    def write(self, path: str, data: bytes, *, parents: bool) -> None:
        """Write."""
        names = plain(path)
        if parents:
            self.make_parents(names)
        where, node = self.find(names, follow=True)
        if isinstance(node, Folder):
            raise Refused("is_directory")
        self.nodes[where] = File(data)

    def mkdir(self, path: str, *, parents: bool) -> None:
        """Make a folder."""
        names = plain(path)
        if parents:
            self.make_parents(names)
        where, node = self.find(names, follow=False)
        if node is None:
            self.nodes[where] = Folder()
        elif not parents or not self._is_folder(names):
            raise Refused("exists")

    def delete(self, path: str, *, recursive: bool) -> None:
        """Delete."""
        where, node = self.find(plain(path), follow=False)
        self._there(node)
        if not where:
            raise Refused("invalid")
        inner = self.beneath(where)
        if inner and not recursive:
            raise Refused("not_empty")
        for names in [where, *inner]:
            del self.nodes[names]

    def _there(self, node: Node | None) -> Node:
        if node is None:
            raise Refused("file_not_found")
        return node

    def _is_folder(self, names: Where) -> bool:
        try:
            return isinstance(self.find(names, follow=True)[1], Folder)
        except Refused:
            return False


def plant(nodes: Mapping[Where, Node], workspace: Path) -> None:
    """Make it all in a real, empty folder."""
    for names, node in sorted(nodes.items()):
        path = workspace.joinpath(*names)
        match node:
            case Folder():
                path.mkdir()
            case File():
                path.write_bytes(node.data)
            case Link():
                path.symlink_to(node.target)


def harvest(workspace: Path) -> dict[Where, Node]:
    """Return what really lies in a folder."""
    found: dict[Where, Node] = {}
    for top, folders, files in os.walk(workspace):
        for name in [*folders, *files]:
            path = Path(top, name)
            names = path.relative_to(workspace).parts
            if path.is_symlink():
                found[names] = Link(os.readlink(path))  # noqa: PTH115 - pathlib would tidy it
            else:
                found[names] = Folder() if path.is_dir() else File(path.read_bytes())
    return found
