"""`devbench shells` itself, and what its commands share."""

from __future__ import annotations

from collections.abc import Callable

import click

from devbench_cli.failures import EXIT_BROKEN_PIPE, EXIT_EXEC_FAILED, print_error
from devbench_cli.groups import OrderedGroup
from devbench_cli.options import options_of
from devbench_core.errors import DevbenchError

shell_argument = click.argument(
    "shell", metavar="SHELL", help="Id of the shell, from `devbench shells open`."
)


@click.group(cls=OrderedGroup)
def app() -> None:
    """Open a shell in a container that stays, and run one script after the other in it.

    Directory, variables, functions, options and background jobs are there for the next script, also for the next
    `devbench`; each script has its own output, exit code and time limit. `devbench shell` is something else: a shell
    that you type at.

    Examples:
      id=$(devbench shells open web)
      devbench shells run $id 'cd src; export MODE=test'
      devbench shells run $id 'make -j4'
      devbench shells close $id
    """


def exit_as(work: Callable[[], int], ctx: click.Context) -> None:
    """Exit with what some work gives, and with 125 where devbench itself failed, as `devbench exec` does."""
    try:
        code = work()
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    except DevbenchError as error:
        print_error(error, as_json=options_of(ctx).as_json)
        code = EXIT_EXEC_FAILED
    ctx.exit(code)
