"""`devbench doctor`."""

from __future__ import annotations

import click

from devbench_cli.options import Options, options_of


@click.command()
@click.option("--fix", is_flag=True, help="Run the commands that mend what is needed.")
@click.pass_context
def app(ctx: click.Context, *, fix: bool) -> None:
    """Say what is installed, what answers, what is missing, and which command mends it.

    The exit code is 0 when a container could be spawned now, else 1. With --fix the commands are run as root,
    or through sudo where that asks no password; otherwise they are only printed. Nothing asks questions.

    Examples:
      devbench doctor
      devbench doctor --runtime docker --fix
      devbench doctor --json | jq .runtime
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    if not run(options, _doctor(options, fix=fix)):
        ctx.exit(1)


async def _doctor(options: Options, *, fix: bool) -> bool:
    from devbench_cli.doctor.examination import as_values, examine, show
    from devbench_cli.doctor.mending import mend
    from devbench_cli.show.results import json_line

    examination = await examine(options)
    remedies = examination.remedies()
    if fix and remedies:
        if not options.as_json:
            show(examination)
        if await mend(remedies):
            examination = await examine(options)
    if options.as_json:
        json_line(as_values(examination))
    else:
        show(examination)
    return examination.ok
