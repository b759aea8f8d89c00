"""The version, printed without importing anything heavy."""

from __future__ import annotations

import sys
from importlib.metadata import version


def print_version() -> None:
    """Print the distribution's version."""
    sys.stdout.write(f"devbench {version('devbench-cli')}\n")
