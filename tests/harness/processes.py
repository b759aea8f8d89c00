"""Processes of this machine, seen from outside."""

from __future__ import annotations

from pathlib import Path


def running(word: str) -> bool:
    """Tell whether a process with this argument runs anywhere on this machine."""
    return bool(with_word(word))


def with_word(word: str) -> list[int]:
    """Return the processes with this argument anywhere on this machine."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "cmdline").read_text().split("\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found
