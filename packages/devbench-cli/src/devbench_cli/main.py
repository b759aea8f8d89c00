"""Entry point of the command `devbench`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and exit."""
    if sys.argv[1:] == ["--version"]:
        from devbench_cli.version import print_version

        return print_version()
    from devbench_cli.program import run_program

    sys.exit(run_program(sys.argv[1:]))
