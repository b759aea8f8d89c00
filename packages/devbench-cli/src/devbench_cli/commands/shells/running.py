"""`devbench shells run`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from devbench_cli.commands.shells.group import exit_as, shell_argument
from devbench_cli.failures import EXIT_SIGNAL_BASE
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_cli.following import Interruption
    from devbench_core.tools.shell_views import ShellRunView


@click.command()
@shell_argument
@click.argument(
    "script", required=False, metavar="[SCRIPT]", help="One line or many; absent or -, stdin is the script."
)
@click.option("--timeout", metavar="DURATION", help="Interrupt it after this, and kill it if need be.")
@click.option(
    "--interactive",
    "-i",
    is_flag=True,
    help="Let its programs read: our stdin is passed on as it comes, without an end.",
)
@click.option(
    "--detach",
    "-d",
    is_flag=True,
    help="Print its first cursor and leave it running; see `devbench shells read`.",
)
@click.pass_context
def run(
    ctx: click.Context,
    *,
    shell: str,
    script: str | None,
    timeout: str | None,
    interactive: bool,
    detach: bool,
) -> None:
    """Run a script in a shell with live output, and exit as it does. What it changes in the shell stays.

    stdout and stderr come out byte for byte on our own. Ctrl-C interrupts the script and keeps the shell where that
    is possible; a message says when it was not. `exit` and a failure under `set -e` end the shell: put such scripts
    in ( … ).

    With -i our stdin goes to what the script runs; nothing tells those programs its end. With -id the script runs on
    and `devbench shells write` talks to it.

    Exit codes: the script's own; 124 when it timed out; 130 after Ctrl-C; 125 when devbench itself failed, with the
    reason on stderr.

    Examples:
      devbench shells run $id 'cd src && make -j4'
      devbench shells run --timeout 5m $id < build.sh
      devbench shells run -id $id 'python3 -i -q 2>&1'
    """
    from devbench_core.errors import ValidationFailed

    if interactive and not detach and script in {None, "-"}:
        raise ValidationFailed("SCRIPT", "is needed with -i: stdin is for what it runs")
    given = {"script": script, "timeout": timeout, "interactive": interactive}
    work = _detached if detach else _run
    exit_as(lambda: run_with_backend(ctx, lambda backend, options: work(backend, options, shell, given)), ctx)


async def _run(backend: Backend, options: Options, shell: str, given: dict[str, Any]) -> int:
    from devbench_cli.following import interruptions, unless_interrupted
    from devbench_cli.shells.following import exit_code_of_run, tell_run

    script = await _script(given)
    async with interruptions() as interruption:
        begun = await unless_interrupted(_begin(backend, shell, script, given), interruption)
        if begun is None:
            return EXIT_SIGNAL_BASE + interruption.number
        ended = await _followed(backend, options, shell, begun, interruption)
    tell_run(ended, options)
    return exit_code_of_run(ended, interruption.number)


async def _followed(
    backend: Backend, options: Options, shell: str, begun: ShellRunView, interruption: Interruption
) -> ShellRunView:
    """Follow a run while our stdin is passed on to an interactive one."""
    from devbench_cli.shells.following import cancel, follow_run
    from devbench_cli.shells.typing import pass_on
    from devbench_cli.show.execs import sink

    following = asyncio.create_task(follow_run(backend, shell, begun, sink(options), interruption))
    typing = asyncio.create_task(pass_on(backend, shell)) if begun.interactive else None
    tasks: list[asyncio.Task[Any]] = [following, *([typing] if typing is not None else [])]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if typing is not None and typing.done() and not following.done():
            if typing.exception() is not None:
                await cancel(backend, shell)
            typing.result()
        return await following
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _detached(backend: Backend, options: Options, shell: str, given: dict[str, Any]) -> int:
    from devbench_cli.show.results import as_json, line

    begun = await _begin(backend, shell, await _script(given), given)
    line(as_json(begun) if options.as_json else str(begun.after))
    return 0


async def _script(given: dict[str, Any]) -> str:
    from devbench_cli.descriptors import all_input
    from devbench_core.errors import ValidationFailed
    from devbench_core.tools.shell_runs import SCRIPT_MAX

    script: str | None = given["script"]
    if script not in {None, "-"}:
        return str(script)
    try:
        return (await all_input(SCRIPT_MAX)).decode()
    except UnicodeDecodeError as error:
        raise ValidationFailed("script", "is not UTF-8") from error


async def _begin(backend: Backend, shell: str, script: str, given: dict[str, Any]) -> ShellRunView:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.units import duration_s
    from devbench_core.tools.shell_runs import ShellRunOutput

    timeout = given["timeout"]
    begun = await ask(
        backend,
        ShellRunOutput,
        "shell_run",
        shell_id=shell,
        script=script,
        timeout_s=None if timeout is None else duration_s("--timeout", timeout),
        interactive=given["interactive"],
        wait_s=0.0,
    )
    return begun.run
