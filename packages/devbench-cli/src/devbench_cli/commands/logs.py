"""`devbench logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.failures import EXIT_BROKEN_PIPE
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("exec_id", metavar="EXEC", help="Id of the command, from `devbench execs`.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new output until the command ends.")
@click.pass_context
def app(ctx: click.Context, *, exec_id: str, follow: bool) -> None:
    """Print a command's output from its beginning; stdout and stderr come out on our own.

    Without --follow it prints what there is, of a command that never pauses some seconds' worth. Ctrl-C ends
    only the following, never the command.

    Examples:
      devbench logs x_83t83knpv5ph96v1tawm
      devbench logs --follow x_83t83knpv5ph96v1tawm
    """
    try:
        run_with_backend(ctx, lambda backend, options: _logs(backend, options, exec_id, follow))
    except BrokenPipeError:
        ctx.exit(EXIT_BROKEN_PIPE)


async def _logs(backend: Backend, options: Options, exec_id: str, follow: bool) -> None:  # noqa: FBT001
    from devbench_cli.following import follow_output, show_output
    from devbench_cli.show.execs import sink, tell_ending

    if follow:
        tell_ending(await follow_output(backend, exec_id, sink(options)), options)
        return
    ending = await show_output(backend, exec_id, sink(options))
    if ending is not None:
        tell_ending(ending, options)
