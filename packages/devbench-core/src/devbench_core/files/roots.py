"""Roots: the folders beneath which the files API works. The workspace, and those that the operator allowed besides.

A path is relative to the workspace, or absolute. As bytes for the agent, one in the workspace is relative and any other
begins with the name of its root. Which roots a container has is in its recorded policy.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from errno import ELOOP, ENOTDIR
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from devbench_core.errors import DevbenchError, FileFailed, PathOutside
from devbench_core.files.paths import absolute_path, name_bytes
from devbench_core.files.powers import require
from devbench_core.model.container import WORKSPACE

if TYPE_CHECKING:
    from devbench_core.channel.channel import AgentChannel

FEATURE = "roots"
NO_ROOT = "no_root"
OTHER_FILE_SYSTEM = "other_file_system"


def root_of(where: bytes, roots: Sequence[str]) -> bytes:
    """Return the root that a path lies beneath, empty for the workspace.

    Raises:
        PathOutside: It is beneath none of them.
    """
    if not where.startswith(b"/"):
        return b""
    for root in map(name_bytes, roots):
        if where == root or where.startswith(root + b"/"):
            return root
    raise PathOutside(
        f"{str(absolute_path(where))[:200]!r} leads out of the {'roots' if roots else 'workspace'}",
        hint=use_instead(roots),
        details={"path": str(absolute_path(where))[:1000]},
    )


def use_instead(roots: Sequence[str]) -> str:
    """Return what to do instead of using a path outside."""
    return f"use a path beneath {' or '.join([str(WORKSPACE), *roots])}, or one relative to {WORKSPACE}"


def folders_beneath(root: bytes, where: bytes) -> list[bytes]:
    """Return the folders on the way from a root to a path, the outermost first and the path itself at the end."""
    begin = len(root) + 1 if root else 0
    ends = [at for at in range(begin, len(where)) if where[at : at + 1] == b"/"]
    return [where[:end] for end in [*ends, len(where)] if end > begin]


def require_roots(channel: AgentChannel, paths: Sequence[bytes]) -> None:
    """Refuse paths that a container's agent does not know how to reach.

    Raises:
        AgentOutdated: It was started by an older devbench.
    """
    if any(path.startswith(b"/") for path in paths):
        require(channel, FEATURE, f"files outside of {WORKSPACE}")


@contextmanager
def telling(roots: Sequence[str]) -> Generator[None]:
    """Say in the errors of a block which roots there are, and what is wrong with one."""
    try:
        yield
    except PathOutside as error:
        error.hint = use_instead(roots)
        raise
    except FileFailed as error:
        if error.details.get("reason") == NO_ROOT:
            _tell_root(error, roots)
        raise


def _tell_root(error: FileFailed, roots: Sequence[str]) -> None:
    path = str(error.details["path"])
    root = next((root for root in roots if PurePosixPath(path).is_relative_to(root)), "")
    why = {ELOOP: "is a link, or lies beneath one", ENOTDIR: "is no folder"}.get(
        int(str(error.details.get("errno", 0))), "does not exist"
    )
    error.message = error.message.replace("its root", f"its root {root!r} {why} in this container and", 1)
    error.args = (error.message,)
    error.hint = (
        "policy.file_roots must name real folders of the image; a command may make one that is absent"
    )
    error.details["root"] = root


def name_of(root: bytes) -> str:
    """Return a root's name."""
    return str(absolute_path(root))


def between(error: DevbenchError, where: bytes, target: bytes, roots: Sequence[str]) -> DevbenchError:
    """Return the error of a move with both roots in it, if these are why it failed."""
    if not isinstance(error, FileFailed) or error.details.get("reason") != OTHER_FILE_SYSTEM:
        return error
    error.hint = "copy it, then delete the first"
    first, second = (name_of(root_of(path, roots)) for path in (where, target))
    if first != second:
        error.message = (
            f"{str(absolute_path(where))!r} cannot be moved from the root {first!r} into the root {second!r}, "
            "which is on another file system"
        )
        error.args = (error.message,)
        error.details |= {"root": first, "target_root": second}
    return error
