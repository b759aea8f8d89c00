"""The program's root: what stands before the name of a command."""

from __future__ import annotations

import click

from devbench_cli.lazy import LazyGroup, keep_examples
from devbench_cli.options import options_of, parameters
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
SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
"""Of this group, and of every command beneath it."""


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    if value and not ctx.resilient_parsing:
        print_version()
        ctx.exit()


@click.group(cls=LazyGroup, help=HELP, context_settings=SETTINGS)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """Hold the options that stand before a command."""
    options_of(ctx)


app.params.extend(parameters(remote=True))
keep_examples(app)
