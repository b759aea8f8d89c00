"""Entry point of the command `devbench`."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line of this process and exit."""
    if sys.argv[1:] == ["--version"]:
        from devbench_cli.version import print_version

        try:
            print_version()
            return sys.stdout.flush()
        except BrokenPipeError:
            from devbench_cli.failures import EXIT_BROKEN_PIPE

            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_BROKEN_PIPE)
    # Pydantic runs what any installed package offers it as a plugin; here only what the configuration names runs.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    gc.disable()  # a start makes much and throws little away; `running` enables it when the work begins
    from devbench_cli.program import run_program

    code = run_program(sys.argv[1:])
    gc.freeze()  # the interpreter's end collects garbage again and again, and the process takes all of it along
    sys.exit(code)


def run() -> None:
    """Be the program: `main`, and then the end of the process.

    The interpreter would take apart every module first, which takes longer than many a command.
    """
    try:
        main()
    except SystemExit as end:
        from devbench_cli.leaving import leave

        leave(end)
        raise
