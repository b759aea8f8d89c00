"""Which folders may be roots of files: what would be harmful or could be two things is refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import PurePosixPath

from devbench_core.contracts.runtime import AGENT_FOLDER, GUESTS_FOLDER, SOCKET_FOLDER
from devbench_core.model.container import WORKSPACE

ROOT_MAX_BYTES = 1024
"""Of the name of a root, so that there is room for what lies beneath."""
NAME_MAX_BYTES = 255
TEMPORARY = ".devbench-tmp-"
KERNEL = tuple(map(PurePosixPath, ("/proc", "/sys", "/dev")))
OURS = (AGENT_FOLDER, SOCKET_FOLDER, GUESTS_FOLDER)


def checked_roots(roots: Sequence[str]) -> tuple[str, ...]:
    """Return roots that are fine together.

    Raises:
        ValueError: One is not; says which, counted from 1, and why.
    """
    for number, root in enumerate(roots, 1):
        problem = _shape(root) or _place(PurePosixPath(root))
        if problem:
            raise ValueError(f"number {number} {problem}")
    for (number, one), (later, other) in combinations(enumerate(map(PurePosixPath, roots), 1), 2):
        if one == other:
            raise ValueError(f"number {later} repeats number {number}")
        if one.is_relative_to(other) or other.is_relative_to(one):
            raise ValueError(f"numbers {number} and {later} lie in each other; name the outer one only")
    return tuple(roots)


def _shape(root: str) -> str:
    """Return what is wrong with the text: a root's name is compared byte by byte, so it has one spelling."""
    names = root.split("/")[1:]
    longest = max((len(name.encode("utf-8", "replace")) for name in names), default=0)
    faults = {
        "must be absolute": not root.startswith("/"),
        "is the whole container; name folders in it": not root.strip("/"),
        "must be without '.', '..', double and final slashes": bool({"", ".", ".."} & set(names)),
        "has characters that cannot be shown": not root.isprintable(),
        f"has a name of over {NAME_MAX_BYTES} bytes": longest > NAME_MAX_BYTES,
        f"is over {ROOT_MAX_BYTES} bytes long": len(root.encode("utf-8", "replace")) > ROOT_MAX_BYTES,
        f"has a name that begins with {TEMPORARY!r}, as only the agent's temporary files may": any(
            name.startswith(TEMPORARY) for name in names
        ),
    }
    return next((fault for fault, found in faults.items() if found), "")


def _place(root: PurePosixPath) -> str:
    faults = {
        f"lies in {WORKSPACE}, which is a root already": root.is_relative_to(WORKSPACE),
        "is devbench's own": any(root.is_relative_to(folder) for folder in OURS),
        "is the kernel's, and holds no files": any(root.is_relative_to(folder) for folder in KERNEL),
    }
    return next((fault for fault, found in faults.items() if found), "")
