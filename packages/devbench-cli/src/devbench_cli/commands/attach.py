"""`devbench attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devbench_cli.failures import EXIT_BROKEN_PIPE
from devbench_cli.options import Options
from devbench_cli.parameters import detach_keys_option
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("exec_id", metavar="EXEC", help="Id of the command, from `devbench execs`.")
@detach_keys_option
@click.pass_context
def app(ctx: click.Context, *, exec_id: str, detach_keys: str) -> None:
    """Type again at a command's terminal that was left running; its output comes from the beginning.

    Only the host that follows a command can type at it: a command that was started through a host is attached
    to through that host (--url).

    Exit codes: as those of `devbench exec`; 0 when it was left running again.

    Examples:
      devbench attach x_83t83knpv5ph96v1tawm
    """
    try:
        code = run_with_backend(ctx, lambda backend, options: _attach(backend, options, exec_id, detach_keys))
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    ctx.exit(code)


async def _attach(backend: Backend, options: Options, exec_id: str, detach_keys: str) -> int:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.terminal import keys, opening
    from devbench_cli.terminal.local import size
    from devbench_cli.terminal.session import Session
    from devbench_core.errors import ValidationFailed
    from devbench_core.tools.execs import ExecResizeOutput, ExecWaitOutput

    session = Session(tty=True, interactive=True, detach_keys=keys.parse("--detach-keys", detach_keys))
    opening.check(session, options)
    found = await ask(backend, ExecWaitOutput, "exec_wait", exec_id=exec_id, wait_s=0.0)
    if not found.exec.tty:
        raise ValidationFailed(
            "EXEC", f"{exec_id!r} has no terminal", hint=f"follow its output with devbench logs -f {exec_id}"
        )
    now: dict[str, Any] = dict(size())  # before anything is typed
    await ask(backend, ExecResizeOutput, "exec_resize", exec_id=exec_id, **now)
    return await opening.join_session(backend, options, found.exec, session)
