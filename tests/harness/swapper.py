"""A process in the container that is against us: it changes what names mean as fast as it can, for ever.

Run as ``python swapper.py MODE FOLDER TARGET``. In FOLDER lie ``box`` (a folder) and ``spare`` (a link to TARGET, which
is outside), which change places; or it takes whatever temporary name of the agent it sees.
"""

# ruff: noqa: PTH104, PTH108, PTH211
from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress

EXCHANGE = 2
AT_FDCWD = -100
TEMPORARY = ".devbench-tmp-"
INNER_TURNS = 1000
libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: str, other: str, folder: int = AT_FDCWD) -> bool:
    """Let two names change places, at once."""
    return libc.renameat2(folder, one.encode(), folder, other.encode(), EXCHANGE) == 0


def by_exchange(target: str) -> None:
    """Folder and link change places at once."""
    del target
    exchange("box", "spare")


def force(old: str, new: str) -> None:
    """Move, even where somebody made something meanwhile."""
    try:
        os.rename(old, new)
    except OSError:
        exchange(old, new)


def by_rename(target: str) -> None:
    """The name is free for a moment between folder and link."""
    del target
    for old, new in (("box", "hidden"), ("spare", "box"), ("box", "spare"), ("hidden", "box")):
        force(old, new)
    shutil.rmtree("hidden", ignore_errors=True)


def by_unlink(target: str) -> None:
    """A file in the folder, and a folder on the way, are links for a moment."""
    for name, link in (("box/leaf", f"{target}/canary"), ("box/way", f"{target}/sub")):
        force(name, "kept")
        with suppress(OSError):
            os.symlink(link, name)
        with suppress(OSError):
            os.unlink(name)
        force("kept", name)
        shutil.rmtree("kept", ignore_errors=True)


def by_theft(target: str) -> None:
    """Whatever the agent makes for a moment becomes a link to outside."""
    for folder in (".", "box"):
        for name in os.listdir(folder):  # noqa: PTH208 - speed
            if name.startswith(TEMPORARY):
                with suppress(FileExistsError):
                    os.symlink(f"{target}/sub", "stolen")
                exchange(f"{folder}/{name}", "stolen")


def from_within(target: str) -> None:
    """A folder in a tree is a link for moments, also while the tree is taken apart under another name."""
    folder = os.open("box/tree", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(INNER_TURNS):
            if not exchange("deep", "link", folder):
                os.symlink(f"{target}/sub", "link", dir_fd=folder)
    finally:
        os.close(folder)


MODES: dict[str, Callable[[str], None]] = {
    "exchange": by_exchange,
    "rename": by_rename,
    "unlink": by_unlink,
    "theft": by_theft,
    "within": from_within,
}


def main() -> None:
    """Swap until killed."""
    swap = MODES[sys.argv[1]]
    os.chdir(sys.argv[2])
    while True:
        with suppress(OSError):
            swap(sys.argv[3])


if __name__ == "__main__":
    main()
