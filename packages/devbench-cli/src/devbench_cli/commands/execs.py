"""`devbench execs`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_core.tools.exec_views import ExecView

HEADINGS = ("ID", "STATE", "ENDED", "AGE", "COMMAND")
COMMAND_WIDTH = 60


@click.command()
@click.argument("container", metavar="CONTAINER", help="Id or alias.")
@click.option("--running", "-r", is_flag=True, help="Only those that have not ended.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, 200),
    default=50,
    metavar="N",
    help="The most commands to list, the newest ones.",
)
@click.pass_context
def app(ctx: click.Context, *, container: str, running: bool, limit: int) -> None:
    """List the commands of a container, the oldest first; `devbench logs` shows their output.

    Examples:
      devbench execs web
      devbench execs --running web
      devbench execs --json web | jq -r '.execs[].id'
    """
    run_with_backend(ctx, lambda backend, options: _execs(backend, options, container, running, limit))


async def _execs(backend: Backend, options: Options, container: str, running: bool, limit: int) -> None:  # noqa: FBT001
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import NOTHING, age, as_json, line, table
    from devbench_core.tools.execs import ExecListOutput

    found = await ask(backend, ExecListOutput, "exec_list", container=container, running=running, limit=limit)
    if options.as_json:
        return line(as_json(found))
    rows = [
        (each.id, each.state, _ended(each) or NOTHING, age(each.created_at), _command(each.argv))
        for each in found.execs
    ]
    table(HEADINGS, rows)
    if found.truncated and not options.quiet:
        sys.stderr.write("there are older ones: raise --limit\n")
    return None


def _ended(found: ExecView) -> str:
    """Return how a command ended in a word: its exit code where it has one."""
    ending = found.ending
    if ending is None:
        return ""
    return f"exit {ending.exit_code}" if ending.exit_code is not None else ending.reason.replace("_", " ")


def _command(argv: list[str]) -> str:
    text = shlex.join(argv)
    return text if len(text) <= COMMAND_WIDTH else text[: COMMAND_WIDTH - 1] + "…"
