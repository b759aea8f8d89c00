"""The version, printed without importing anything heavy."""

from __future__ import annotations

import os
import sys

PREFIX, SUFFIX = "devbench_cli-", ".dist-info"
"""Of the folder that an installed distribution has, with its version between them (the "Recording installed projects"
specification); importlib.metadata reads the same, and takes four times as long to import as Python to start."""


def print_version() -> None:
    """Print the distribution's version."""
    sys.stdout.write(f"devbench {_by_name() or _by_metadata()}\n")


def _by_name() -> str | None:
    for folder in sys.path:
        try:
            names = os.listdir(folder or os.curdir)  # noqa: PTH208 - importing pathlib is what this saves
        except OSError:
            continue  # an archive, or not there
        for name in names:
            if name.startswith(PREFIX) and name.endswith(SUFFIX):
                return name[len(PREFIX) : -len(SUFFIX)]
    return None


def _by_metadata() -> str:
    from importlib.metadata import version

    return version("devbench-cli")
