"""`devbench shells write`, `read` and `cancel`: talking to a program that a shell runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devbench_cli.commands.shells.group import shell_argument
from devbench_cli.failures import EXIT_BROKEN_PIPE, EXIT_FAILURE, EXIT_TIMEOUT
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_core.tools.shell_talk import ShellReadOutput

NOT_FOUND = {
    "time": EXIT_TIMEOUT,
    "run_ended": EXIT_FAILURE,
    "shell_ended": EXIT_FAILURE,
    "full": EXIT_FAILURE,
}
"""Exit codes where what was looked for did not come."""


@click.command()
@shell_argument
@click.argument("text", required=False, metavar="[TEXT]", help="A line for it; absent or -, stdin as it is.")
@click.pass_context
def write(ctx: click.Context, *, shell: str, text: str | None) -> None:
    r"""Send text to the program that an interactive run started, and print the cursor for `devbench shells read`.

    TEXT becomes a line; what comes from stdin is sent byte for byte.

    Examples:
      devbench shells read --after $(devbench shells write $id '6 * 7') --until '>>> ' $id
      printf 'y\n' | devbench shells write $id
    """
    run_with_backend(ctx, lambda backend, options: _write(backend, options, shell, text))


async def _write(backend: Backend, options: Options, shell: str, text: str | None) -> None:
    from base64 import b64encode

    from devbench_cli.backends.protocol import ask
    from devbench_cli.descriptors import all_input
    from devbench_cli.show.results import as_json, line
    from devbench_core.tools.shell_talk import ShellInputOutput

    given = text in {None, "-"}
    data = await all_input(backend.stdin_max_bytes) if given else f"{text}\n".encode()
    encoded = b64encode(data).decode("ascii")
    sent = await ask(backend, ShellInputOutput, "shell_input", shell_id=shell, base64=encoded)
    line(as_json(sent) if options.as_json else str(sent.cursor))


@click.command()
@shell_argument
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="CURSOR",
    help="From here on; 0 is the shell's beginning.",
)
@click.option("--until", multiple=True, metavar="TEXT", help="Until this plain text comes; may be repeated.")
@click.option(
    "--until-regex",
    multiple=True,
    metavar="REGEX",
    help="Until this matches (RE2's syntax); may be repeated.",
)
@click.option(
    "--quiet-for", default="1s", metavar="DURATION", help="Else until nothing came for so long, at most 30s."
)
@click.option("--wait", default="10s", metavar="DURATION", help="No longer than this, at most a minute.")
@click.pass_context
def read(
    ctx: click.Context,
    *,
    shell: str,
    after: int,
    until: tuple[str, ...],
    until_regex: tuple[str, ...],
    quiet_for: str,
    wait: str,
) -> None:
    r"""Print a shell's output after a cursor: until a text or an expression comes, it is quiet, or the run ends.

    stdout and stderr come out on our own. --json tells the next cursor, what matched and how the run stands.

    Exit codes: 0; with --until or --until-regex 124 when nothing of them came in time, and 1 when it cannot come any
    more or too much else came.

    Examples:
      devbench shells read $id
      devbench shells read --after 812 --until '>>> ' --wait 30s $id
      devbench shells read --json --after 812 --until-regex '(\d+) passed' $id | jq -r '.match.groups[0]'
    """
    given = {
        "after": after,
        "until": list(until),
        "until_regex": list(until_regex),
        "quiet_for": quiet_for,
        "wait": wait,
    }
    try:
        code = run_with_backend(ctx, lambda backend, options: _read(backend, options, shell, given))
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    if code:
        ctx.exit(code)


async def _read(backend: Backend, options: Options, shell: str, given: dict[str, Any]) -> int:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.execs import sink
    from devbench_cli.show.results import as_json, line
    from devbench_cli.units import duration_s
    from devbench_core.tools.base import TEXT_MAX_BYTES, WAIT_MAX_S
    from devbench_core.tools.shell_talk import QUIET_MAX_S, ShellReadOutput

    quiet_s, wait_s = duration_s("--quiet-for", given["quiet_for"]), duration_s("--wait", given["wait"])
    page = await ask(
        backend,
        ShellReadOutput,
        "shell_read",
        shell_id=shell,
        after=given["after"],
        until=given["until"],
        until_regex=given["until_regex"],
        quiet_s=QUIET_MAX_S if quiet_s is None else quiet_s,
        wait_s=WAIT_MAX_S if wait_s is None else wait_s,
        max_bytes=TEXT_MAX_BYTES,
    )
    if options.as_json:
        line(as_json(page))
    else:
        for piece in page.output:
            await sink(options)(piece)
    return _code(page, sought=bool(given["until"] or given["until_regex"]))


def _code(page: ShellReadOutput, *, sought: bool) -> int:
    return NOT_FOUND.get(page.stopped_by, 0) if sought else 0


@click.command()
@shell_argument
@click.pass_context
def cancel(ctx: click.Context, *, shell: str) -> None:
    """Interrupt the script that a shell is busy with, and say what became of both. Harmless when it is idle.

    Examples:
      devbench shells cancel $id
    """
    run_with_backend(ctx, lambda backend, options: _cancel(backend, options, shell))


async def _cancel(backend: Backend, options: Options, shell: str) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import as_json, line
    from devbench_core.tools.shells import ShellCancelOutput

    done = await ask(backend, ShellCancelOutput, "shell_cancel", shell_id=shell)
    if options.as_json:
        line(as_json(done))
    elif not options.quiet:
        line(f"{done.shell.id} {done.shell.state}")
