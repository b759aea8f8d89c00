"""`devbench kill`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("containers", nargs=-1, required=True, metavar="CONTAINER...", help="Ids or aliases.")
@click.pass_context
def app(ctx: click.Context, *, containers: tuple[str, ...]) -> None:
    """End containers with everything in them, workspace included. A repeat is fine.

    All of them are tried; the exit code is that of the first that could not be ended.

    Examples:
      devbench kill web
      devbench ps --json --label team=blue | jq -r '.containers[].id' | xargs -r devbench kill
    """
    code = run_with_backend(ctx, lambda backend, options: _kill(backend, options, containers))
    if code:
        ctx.exit(code)


async def _kill(backend: Backend, options: Options, containers: tuple[str, ...]) -> int:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.failures import exit_code_of, print_error
    from devbench_cli.show.results import json_line, line
    from devbench_core.errors import DevbenchError
    from devbench_core.tools.containers import KillOutput

    first = 0
    for name in containers:
        try:
            killed = await ask(backend, KillOutput, "kill", container=name)
        except DevbenchError as error:
            print_error(error, as_json=options.as_json)
            first = first or exit_code_of(error)
            continue
        if options.as_json:
            json_line(killed.model_dump(mode="json"))
        elif not options.quiet:
            reason = killed.container.ending.reason if killed.container.ending else killed.container.status
            line(f"{killed.container.id} {reason}")
    return first
