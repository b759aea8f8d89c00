"""The program's root: what stands before the name of a command."""

from __future__ import annotations

from typing import Annotated

import typer

from devbench_cli.lazy import LazyGroup
from devbench_cli.options import options_of
from devbench_cli.version import print_version

HELP = """Isolated workspaces for AI agents, from the command line.

  devbench demo                          see the whole workflow once
  devbench spawn --alias web             make a container
  devbench exec web -- sh -c 'echo hi'   run a command in it
  devbench shell web                     type at a shell in it
  devbench shells open web               open one that stays, for scripts
  devbench cp main.py web:main.py        copy a file into it
  devbench kill web                      end it

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 refused, 5 conflict,
69 engine unreachable, 75 try again later, 78 configuration, 124 timed out, 130 Ctrl-C.
`devbench exec`, `devbench shell` and `devbench shells run` pass the command's own exit code through.
"""

app = typer.Typer(
    cls=LazyGroup,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        print_version()
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""
    _ = version
    options_of(ctx)
