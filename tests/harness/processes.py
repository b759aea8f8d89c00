"""Processes of this machine, seen from outside."""

from __future__ import annotations

from pathlib import Path


def running(word: str) -> bool:
    """Tell whether a process with this argument runs anywhere on this machine."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "cmdline").read_text().split("\0"):
                return True
        except OSError:
            continue
    return False
