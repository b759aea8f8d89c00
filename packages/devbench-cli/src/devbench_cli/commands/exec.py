"""`devbench exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devbench_cli.failures import EXIT_BROKEN_PIPE, EXIT_EXEC_FAILED, EXIT_SIGNAL_BASE, print_error
from devbench_cli.options import Options, options_of
from devbench_cli.parameters import cwd_option, detach_keys_option
from devbench_cli.running import run_with_backend
from devbench_core.errors import DevbenchError, ValidationFailed

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

DETACHED_STDIN_MAX = 65_536
"""What the agent takes before the command reads any of it."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("container", metavar="CONTAINER", help="Id or alias.")
@click.argument(
    "command",
    nargs=-1,
    required=True,
    metavar="COMMAND...",
    help="Program and arguments; no shell reads them.",
)
@click.option(
    "--env",
    "-e",
    multiple=True,
    metavar="KEY[=VALUE]",
    help="Variable for this command; KEY alone copies ours.",
)
@cwd_option
@click.option(
    "--create-cwd", is_flag=True, help="Make the directory of --cwd, with its parents, when it is missing."
)
@click.option(
    "--user",
    "-u",
    metavar="UID[:GID]",
    help="Who it runs as: the container's user, or one of `spawn --exec-user`.",
)
@click.option("--timeout", metavar="DURATION", help="End it and all it started after this.")
@click.option(
    "--detach", "-d", is_flag=True, help="Print the command's id and leave it running; see `devbench logs`."
)
@click.option(
    "--end-leftovers", is_flag=True, help="End background processes that it leaves; else they run on."
)
@click.option(
    "--queue",
    metavar="DURATION",
    help="Wait so long, at most a minute, when as many commands run as are allowed.",
)
@click.option(
    "--nofile", type=click.IntRange(min=1), metavar="N", help="Open files of each of its processes."
)
@click.option(
    "--nice", type=click.IntRange(0, 19), default=0, metavar="N", help="How much other commands go before it."
)
@click.option(
    "--idempotency-key",
    "--key",
    "key",
    metavar="TEXT",
    help="A repeat with the same key within a day follows the same command, run once.",
)
@click.option("--tty", "-t", is_flag=True, help="Run it at a terminal of our own one's size.")
@click.option("--interactive", "-i", is_flag=True, help="Pass our stdin on as it comes; with -t, every key.")
@detach_keys_option
@click.option(
    "--no-stdin", "-n", is_flag=True, help="Do not read stdin; for loops and jobs whose stdin stays open."
)
@click.pass_context
def app(
    ctx: click.Context,
    *,
    container: str,
    command: tuple[str, ...],
    env: tuple[str, ...],
    cwd: str | None,
    create_cwd: bool,
    user: str | None,
    timeout: str | None,
    detach: bool,
    end_leftovers: bool,
    queue: str | None,
    nofile: int | None,
    nice: int,
    key: str | None,
    tty: bool,
    interactive: bool,
    detach_keys: str,
    no_stdin: bool,
) -> None:
    """Run a command in a container with live output, and exit as it does.

    stdout and stderr come out byte for byte on our own. When stdin is a pipe or a file it is read to its end
    first and given to the command; with -i it is passed on as it comes. Ctrl-C ends the command with everything
    it started.

    With -it you type at the command: Ctrl-C and all other keys go to it, and it can be left running with the
    --detach-keys; `devbench attach` comes back to it.

    Exit codes: the command's own; 128 + N when signal N ended it; 124 when it timed out; 130 after Ctrl-C;
    127 when there is no such program, 126 when it cannot be executed; 125 when devbench itself failed, with
    the reason on stderr. With --idempotency-key a repeat shows the output of the one run from its beginning and
    exits as it did.

    Examples:
      devbench exec web -- python3 main.py
      devbench exec --timeout 5m --env CI=1 web -- sh -c 'make && ./run | tail'
      devbench exec -it web -- python3
      tail -f app.log | devbench exec -i web -- grep --line-buffered error
      devbench exec --detach web -- python3 -m http.server
      devbench exec --idempotency-key deploy-7 web -- ./deploy
      echo 'hello' | devbench exec web -- tee greeting.txt
    """
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise click.BadParameter("nothing to run", param_hint="COMMAND")
    if words is command and words[0].startswith("-"):
        raise click.BadParameter(f"options stand before CONTAINER: {words[0]}", param_hint="COMMAND")
    given: dict[str, Any] = {
        "argv": list(words), "env": env, "cwd": cwd, "timeout": timeout, "no_stdin": no_stdin,
        "leftovers": "end" if end_leftovers else "leave", "limits": {"nofile": nofile, "nice": nice}, "queue": queue,
        "idempotency_key": key, "create_cwd": create_cwd, "user": user,
        "tty": tty, "interactive": interactive, "detach_keys": detach_keys,
    }  # fmt: skip
    if interactive and no_stdin:
        raise click.BadParameter("excludes --no-stdin", param_hint="--interactive")
    ctx.exit(_exit_code(ctx, container, given, detach=detach))


def _exit_code(ctx: click.Context, container: str, given: dict[str, Any], *, detach: bool) -> int:
    run = _detached if detach else _exec
    try:
        return run_with_backend(ctx, lambda backend, options: run(backend, options, container, given))
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    except DevbenchError as error:
        print_error(error, as_json=options_of(ctx).as_json)
        return EXIT_EXEC_FAILED


async def _exec(backend: Backend, options: Options, container: str, given: dict[str, Any]) -> int:
    if given["tty"] or given["interactive"]:
        return await _session(backend, options, container, given)
    from devbench_cli.backends.protocol import ask
    from devbench_cli.following import exit_code_of_ending, follow, interruptions, unless_interrupted
    from devbench_cli.show.execs import sink, tell_ending, tell_replay
    from devbench_core.tools.execs import ExecStartOutput

    arguments = await _arguments(backend, given)
    async with interruptions() as interruption:
        start = ask(backend, ExecStartOutput, "exec_start", container=container, **arguments)
        started = await unless_interrupted(start, interruption)
        if started is None:
            return EXIT_SIGNAL_BASE + interruption.number
        if started.replayed:
            tell_replay(started.exec.id, options)
        ending = await follow(backend, started.exec.id, sink(options), interruption)
    tell_ending(ending, options, replayed=started.replayed)
    return exit_code_of_ending(ending, interruption.number)


async def _session(backend: Backend, options: Options, container: str, given: dict[str, Any]) -> int:
    from devbench_cli.terminal import keys, opening
    from devbench_cli.terminal.session import Session

    session = Session(
        tty=given["tty"],
        interactive=given["interactive"],
        detach_keys=keys.parse("--detach-keys", given["detach_keys"]),
    )
    opening.check(session, options)
    arguments = await _arguments(backend, {**given, "no_stdin": True})
    return await opening.run_session(backend, options, container, [arguments], session)


async def _detached(backend: Backend, options: Options, container: str, given: dict[str, Any]) -> int:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import as_json, line
    from devbench_core.tools.execs import ExecStartOutput

    arguments = await _arguments(backend, given, stdin_max=DETACHED_STDIN_MAX)
    started = await ask(backend, ExecStartOutput, "exec_start", container=container, **arguments)
    line(as_json(started) if options.as_json else started.exec.id)
    return 0


async def _arguments(
    backend: Backend, given: dict[str, Any], *, stdin_max: int | None = None
) -> dict[str, Any]:
    from base64 import b64encode

    from devbench_cli.descriptors import piped_input
    from devbench_cli.units import duration_s, pairs

    ours = not given["no_stdin"] and not given["interactive"] and not given["tty"]
    stdin = await piped_input(backend.stdin_max_bytes) if ours else None
    if stdin and stdin_max is not None and len(stdin) > stdin_max:
        raise ValidationFailed(
            "stdin",
            f"is {len(stdin)} bytes, at most {stdin_max} go with --detach: nobody stays to send the rest",
            hint="copy it into the container with `devbench cp` and read it there",
        )
    from devbench_cli.terminal.local import size

    return {
        "tty": size() if given["tty"] else None,
        "open_stdin": given["interactive"],
        "argv": given["argv"],
        "env": pairs("--env", given["env"], inherit=True),
        "cwd": given["cwd"],
        "create_cwd": given["create_cwd"],
        "user": given["user"],
        "timeout_s": None if given["timeout"] is None else duration_s("--timeout", given["timeout"]),
        "queue_s": 0.0 if given["queue"] is None else _queue_s(given["queue"]),
        "leftovers": given["leftovers"],
        "idempotency_key": given["idempotency_key"],
        "limits": given["limits"],
        "stdin_base64": None if not stdin else b64encode(stdin).decode("ascii"),
    }


def _queue_s(text: str) -> float:
    from devbench_cli.units import duration_s

    seconds = duration_s("--queue", text)
    if seconds is None:
        raise ValidationFailed("--queue", "a wait without an end is not possible", hint="give at most 60s")
    return seconds
