"""Paths through links, pipes, sockets and files that lie in a workspace; and what each operation must say."""

# ruff: noqa: E501
from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

OUTSIDE, MISSING = "path_outside_workspace", "file_not_found"
HAS_DEVICES = os.geteuid() == 0
SECRET = b"a secret outside"


@attrs.frozen
class Place:
    """A path among the things that `plant` makes.

    Attributes:
        name: Of the case.
        path: As a caller writes it.
        read: What a read does: "ok", or an error's code, or the reason of a `file_failed`; likewise the others.
        stat: Describing it.
        list: Listing it.
        write: Writing it, without making folders.
        delete: Deleting it, not recursively.
        mkdir: Making it.
        real: What a successful write changes, relative to the workspace; "" where none succeeds.
    """

    name: str
    path: str
    read: str
    stat: str
    list: str
    write: str
    delete: str
    mkdir: str
    real: str = ""


DIRECTORY, NOT_FOLDER, EXISTS, INVALID, LOOP = "is_directory", "not_directory", "exists", "invalid", "loop"


def plant(workspace: Path) -> None:
    """Make what `places` tells of; beside the workspace lies what must not be seen."""
    outside = workspace.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "secret").write_bytes(SECRET)
    (workspace / "file").write_bytes(b"x")
    (workspace / "folder" / "in").mkdir(parents=True)
    (workspace / "folder" / "file").write_bytes(b"y")
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.open(workspace, os.O_DIRECTORY)
        unix.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    if HAS_DEVICES:
        os.mknod(workspace / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for name, target in LINKS.items():
        (workspace / name).symlink_to(str(outside) if target == "OUTSIDE" else target)
    for last in (40, 41):
        for i in range(last - 1):
            (workspace / f"chain{last}-{i}").symlink_to(f"chain{last}-{i + 1}")
        (workspace / f"chain{last}-{last - 1}").symlink_to("file")


# fmt: off
LINKS = {
    "to-file": "file", "to-folder": "folder", "to-folder-slash": "folder/", "to-file-slash": "file/", "to-file-dot": "file/.",
    "to-here": ".", "to-here-long": "folder/in/../..", "dangling": "absent", "dangling-deep": "absent/x", "dangling-slash": "absent/",
    "to-itself": "to-itself", "loop-a": "loop-b", "loop-b": "loop-a", "into-itself": "into-itself/x",
    "up": "..", "far-up": "../../../..", "up-by-folder": "folder/../..", "to-outside": "../outside", "to-secret": "../outside/secret",
    "back-in": "../workspace/file", "absolute": "/etc/passwd", "absolute-root": "/", "absolute-workspace": "/workspace/file",
    "absolute-outside": "OUTSIDE", "proc": "/proc/self/root", "proc-cwd": "/proc/self/cwd", "to-up": "up", "to-absolute": "absolute",
    "through-file": "file/x", "to-pipe": "pipe", "to-null": "/dev/null", "folder/out": "../../outside", "folder/back": "../file",
    "long-name": "n" * 256, "many-slashes": "folder///in//..//file",
}
# fmt: on


def _all(name: str, path: str, code: str, *, real: str = "") -> Place:
    return Place(name, path, code, code, code, code, code, code, real)


def places() -> Iterator[Place]:
    """Yield the cases among links and special files."""
    yield from _through()
    yield from _of_links()
    yield from _of_kinds()


def _through() -> Iterator[Place]:
    for path in (
        "file/x",
        "file/x/y",
        "folder/file/x",
        "pipe/x",
        "socket/x",
        "to-file/x",
        "through-file/x",
        "to-pipe/x",
    ):
        yield _all(f"through a file: {path}", path, NOT_FOLDER)
    for path in (
        "absent/x",
        "folder/absent/x",
        "dangling/x",
        "dangling-deep/x",
        "dangling-slash/x",
        "to-folder/absent/x",
    ):
        yield _all(f"through nothing: {path}", path, MISSING)
    for path in (
        "up/x", "up/outside/secret", "far-up/etc/passwd", "up-by-folder/outside/secret", "to-outside/secret", "to-outside/new",
        "to-outside/sub", "to-outside/sub/new", "absolute-root/etc/passwd", "absolute-outside/secret", "absolute-outside/new",
        "proc/etc/passwd", "proc-cwd/file", "to-up/x", "to-up/outside/secret", "to-absolute/x", "absolute/x", "back-in/x",
        "folder/out/secret", "folder/out/sub/new", "to-folder/out/secret", "to-here/up/x", "to-here/to-here/to-outside/secret",
        "absolute-workspace/x", "to-null/x",
    ):  # fmt: skip
        yield _all(f"out through a link: {path}", path, OUTSIDE)
    for path in ("to-itself/x", "loop-a/x", "into-itself/x", "to-folder/../loop-b/x"):
        yield _all(f"through a loop: {path}", path, LOOP)
    yield _all("through 41 links", "chain41-0/x", LOOP)
    yield _all("through 40 links", "chain40-0/x", NOT_FOLDER)
    yield _all("through a long name", "long-name/x", INVALID)


def _of_links() -> Iterator[Place]:
    for path in ("up", "far-up", "up-by-folder", "to-outside", "to-secret", "absolute", "absolute-root", "absolute-workspace",
                 "absolute-outside", "proc", "proc-cwd", "to-up", "to-absolute", "back-in", "to-null", "folder/out"):  # fmt: skip
        yield Place(f"a link out: {path}", path, OUTSIDE, "ok", OUTSIDE, OUTSIDE, "ok", EXISTS)
    for path in ("to-itself", "loop-a", "loop-b", "into-itself", "chain41-0"):
        yield Place(f"a loop: {path}", path, LOOP, "ok", LOOP, LOOP, "ok", EXISTS)
    yield Place("a dangling link", "dangling", MISSING, "ok", MISSING, "ok", "ok", EXISTS, "absent")
    for path in ("dangling-deep", "dangling-slash"):
        yield Place(f"a dangling link: {path}", path, MISSING, "ok", MISSING, MISSING, "ok", EXISTS)
    for path in ("to-file-slash", "to-file-dot", "through-file"):
        yield Place(
            f"a link to a file as a folder: {path}",
            path,
            NOT_FOLDER,
            "ok",
            NOT_FOLDER,
            NOT_FOLDER,
            "ok",
            EXISTS,
        )
    yield Place("a link to a long name", "long-name", INVALID, "ok", INVALID, INVALID, "ok", EXISTS)
    for path, real in {"to-file": "file", "folder/back": "file", "to-folder/back": "file", "to-here/to-file": "file",
                       "many-slashes": "folder/file", "chain40-0": "file", "chain41-1": "file"}.items():  # fmt: skip
        yield Place(f"a link to a file: {path}", path, "ok", "ok", NOT_FOLDER, "ok", "ok", EXISTS, real)
    for path in ("to-folder", "to-folder-slash", "to-here", "to-here-long", "to-here/to-here"):
        yield Place(f"a link to a folder: {path}", path, DIRECTORY, "ok", "ok", DIRECTORY, "ok", EXISTS)


def _of_kinds() -> Iterator[Place]:
    for path in ("pipe", "socket", "to-here/pipe"):
        yield Place(f"no file: {path}", path, INVALID, "ok", NOT_FOLDER, INVALID, "ok", EXISTS)
    if HAS_DEVICES:
        yield Place("a device", "device", INVALID, "ok", NOT_FOLDER, INVALID, "ok", EXISTS)
        yield _all("through a device", "device/x", NOT_FOLDER)
    yield Place("a link to a pipe", "to-pipe", INVALID, "ok", NOT_FOLDER, INVALID, "ok", EXISTS)
    yield Place("a file", "file", "ok", "ok", NOT_FOLDER, "ok", "ok", EXISTS, "file")
    yield Place(
        "a file by a link", "to-folder/file", "ok", "ok", NOT_FOLDER, "ok", "ok", EXISTS, "folder/file"
    )
    yield Place("a full folder", "folder", DIRECTORY, "ok", "ok", DIRECTORY, "not_empty", EXISTS)
    yield Place("an empty folder", "folder/in", DIRECTORY, "ok", "ok", DIRECTORY, "ok", EXISTS)
    yield Place("new", "new", MISSING, MISSING, MISSING, "ok", MISSING, "ok", "new")
    yield Place(
        "new behind links",
        "to-here/to-folder/new",
        MISSING,
        MISSING,
        MISSING,
        "ok",
        MISSING,
        "ok",
        "folder/new",
    )
    yield Place("the workspace", ".", DIRECTORY, "ok", "ok", DIRECTORY, INVALID, EXISTS)
