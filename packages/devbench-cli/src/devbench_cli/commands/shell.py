"""`devbench shell`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devbench_cli.failures import EXIT_BROKEN_PIPE, EXIT_EXEC_FAILED, print_error
from devbench_cli.options import Options, options_of
from devbench_cli.parameters import cwd_option, detach_keys_option, env_option
from devbench_cli.running import run_with_backend
from devbench_core.errors import DevbenchError

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

SHELLS = ("bash", "sh")
"""In this order; the agent says which of them is there."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("container", metavar="CONTAINER", help="Id or alias.")
@click.argument(
    "command", nargs=-1, metavar="[COMMAND...]", help="Program and arguments instead of the shell."
)
@env_option
@cwd_option
@click.option(
    "--user",
    "-u",
    metavar="UID[:GID]",
    help="Who it runs as: the container's user, or one of `spawn --exec-user`.",
)
@click.option("--timeout", metavar="DURATION", help="End it and all it started after this.")
@detach_keys_option
@click.pass_context
def app(
    ctx: click.Context,
    *,
    container: str,
    command: tuple[str, ...],
    env: tuple[str, ...],
    cwd: str | None,
    user: str | None,
    timeout: str | None,
    detach_keys: str,
) -> None:
    """Type at a shell in a container, as at a terminal there: bash where it is, else sh.

    Every key goes to it, also Ctrl-C and Ctrl-Z; the size of our terminal is that of its own. It ends when you leave
    it (exit, Ctrl-D), and is ended when this command is (TERM, HUP). The keys Ctrl-P Ctrl-Q leave it running;
    `devbench attach` comes back to it.

    Exit codes: as those of `devbench exec`; 0 when it was left running.

    Examples:
      devbench shell web
      devbench shell --cwd src web
      devbench shell web -- python3
      devbench shell --detach-keys none web
    """
    words = command[1:] if command[:1] == ("--",) else command
    if words is command and words and words[0].startswith("-"):
        raise click.BadParameter(f"options stand before CONTAINER: {words[0]}", param_hint="COMMAND")
    given = {"words": list(words), "env": env, "cwd": cwd, "user": user, "timeout": timeout}
    given["detach_keys"] = detach_keys
    try:
        code = run_with_backend(ctx, lambda backend, options: _shell(backend, options, container, given))
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    except DevbenchError as error:
        print_error(error, as_json=options_of(ctx).as_json)
        code = EXIT_EXEC_FAILED
    ctx.exit(code)


async def _shell(backend: Backend, options: Options, container: str, given: dict[str, Any]) -> int:
    from devbench_cli.terminal import keys, opening
    from devbench_cli.terminal.local import size
    from devbench_cli.terminal.session import Session
    from devbench_cli.units import duration_s, pairs

    session = Session(
        tty=True, interactive=True, detach_keys=keys.parse("--detach-keys", given["detach_keys"])
    )
    opening.check(session, options)
    common = {
        "env": pairs("--env", given["env"], inherit=True),
        "cwd": given["cwd"],
        "user": given["user"],
        "timeout_s": None if given["timeout"] is None else duration_s("--timeout", given["timeout"]),
        "tty": size(),
    }
    programs = [given["words"]] if given["words"] else [[name] for name in SHELLS]
    candidates = [{"argv": argv, **common} for argv in programs]
    return await opening.run_session(backend, options, container, candidates, session)
