"""`devbench shells open`, `list` and `close`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devbench_cli.options import Options
from devbench_cli.parameters import cwd_option, env_option
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_core.tools.shell_views import ShellView

HEADINGS = ("ID", "STATE", "PROGRAM", "AGE", "LAST RUN", "DIRECTORY")


@click.command("open")
@click.argument("container", metavar="CONTAINER", help="Id or alias.")
@click.option(
    "--program", default="auto", metavar="NAME", help="bash, sh, or auto: bash where it is, else sh."
)
@env_option
@cwd_option
@click.option(
    "--user",
    "-u",
    metavar="UID[:GID]",
    help="Who it runs as: the container's user, or one that `spawn --exec-user` allowed.",
)
@click.pass_context
def open_(
    ctx: click.Context,
    *,
    container: str,
    program: str,
    env: tuple[str, ...],
    cwd: str | None,
    user: str | None,
) -> None:
    """Open a shell and print its id. It stays until it is closed, idle for long, or its container ends.

    Examples:
      devbench shells open web
      id=$(devbench shells open --cwd src --env MODE=test web)
    """
    given = {"program": program, "env": env, "cwd": cwd, "user": user}
    run_with_backend(ctx, lambda backend, options: _open(backend, options, container, given))


async def _open(backend: Backend, options: Options, container: str, given: dict[str, Any]) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import as_json, line
    from devbench_cli.units import pairs
    from devbench_core.tools.shells import ShellOpenOutput

    opened = await ask(
        backend,
        ShellOpenOutput,
        "shell_open",
        container=container,
        program=given["program"],
        cwd=given["cwd"],
        user=given["user"],
        env=pairs("--env", given["env"], inherit=True),
    )
    line(as_json(opened) if options.as_json else opened.shell.id)


@click.command("list")
@click.argument("container", metavar="CONTAINER", help="Id or alias.")
@click.option("--ended", is_flag=True, help="Also those that have ended.")
@click.pass_context
def list_(ctx: click.Context, *, container: str, ended: bool) -> None:
    """List a container's shells, the oldest first.

    Examples:
      devbench shells list web
      devbench shells list --json web | jq -r '.shells[].id'
    """
    run_with_backend(ctx, lambda backend, options: _list(backend, options, container, ended=ended))


async def _list(backend: Backend, options: Options, container: str, *, ended: bool) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import NOTHING, age, as_json, line, table
    from devbench_core.tools.shells import ShellListOutput

    found = await ask(backend, ShellListOutput, "shell_list", container=container, ended=ended)
    if options.as_json:
        return line(as_json(found))
    rows = [
        (each.id, each.state, each.program, age(each.created_at), _last(each) or NOTHING, each.cwd)
        for each in found.shells
    ]
    return table(HEADINGS, rows)


def _last(shell: ShellView) -> str:
    """Return how the newest run went in a word."""
    run = shell.run
    if run is None or run.reason is None:
        return "" if run is None else "running"
    return f"exit {run.exit_code}" if run.reason == "exited" else run.reason.replace("_", " ")


@click.command()
@click.argument("shells", nargs=-1, required=True, metavar="SHELL...", help="Ids.")
@click.pass_context
def close(ctx: click.Context, *, shells: tuple[str, ...]) -> None:
    """End shells with everything that they started, also background jobs. A repeat is fine.

    All of them are tried; the exit code is that of the first that could not be ended.

    Examples:
      devbench shells close $id
      devbench shells list --json web | jq -r '.shells[].id' | xargs -r devbench shells close
    """
    code = run_with_backend(ctx, lambda backend, options: _close(backend, options, shells))
    if code:
        ctx.exit(code)


async def _close(backend: Backend, options: Options, shells: tuple[str, ...]) -> int:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.failures import exit_code_of, print_error
    from devbench_cli.show.results import json_line, line
    from devbench_core.errors import DevbenchError
    from devbench_core.tools.shells import ShellCloseOutput

    first = 0
    for shell in shells:
        try:
            closed = await ask(backend, ShellCloseOutput, "shell_close", shell_id=shell)
        except DevbenchError as error:
            print_error(error, as_json=options.as_json)
            first = first or exit_code_of(error)
            continue
        if options.as_json:
            json_line(closed.model_dump(mode="json"))
        elif not options.quiet:
            line(f"{closed.shell.id} {closed.shell.state}")
    return first
