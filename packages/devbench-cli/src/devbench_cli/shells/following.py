"""Follows one run of a shell to its end, with Ctrl-C passed on as an interruption of the run, not of the shell."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.failures import EXIT_EXEC_FAILED, EXIT_INTERRUPTED, EXIT_SIGNAL_BASE, EXIT_TIMEOUT
from devbench_cli.following import POLL_WAIT_S, Interruption, OnPiece
from devbench_cli.options import Options
from devbench_cli.show.results import json_line
from devbench_core.errors import DevbenchError
from devbench_core.tools.base import TEXT_MAX_BYTES
from devbench_core.tools.shell_talk import ShellReadOutput
from devbench_core.tools.shell_views import ShellRunView
from devbench_core.tools.shells import ShellCancelOutput

FATE = {
    "timed_out": "timed out: it was interrupted",
    "lost": "lost: the host went away before the shell had the script, so nothing was run",
    "shell_ended": "the script ended the shell",
}


async def follow_run(
    backend: Backend, shell_id: str, run: ShellRunView, on_piece: OnPiece, interruption: Interruption
) -> ShellRunView:
    """Hand on every piece of a run's output and return the run with its end; a signal interrupts the run.

    Raises:
        BrokenPipeError: Nobody reads our output; the run was interrupted.
        DevbenchError: The output could not be followed.
    """
    canceller = asyncio.create_task(_cancel_when(interruption, backend, shell_id))
    try:
        return await _follow(backend, shell_id, run, on_piece)
    except OSError:
        await cancel(backend, shell_id)
        raise
    finally:
        canceller.cancel()
        with suppress(asyncio.CancelledError):
            await canceller


async def _follow(backend: Backend, shell_id: str, run: ShellRunView, on_piece: OnPiece) -> ShellRunView:
    cursor = run.after
    while True:
        page = await ask(
            backend,
            ShellReadOutput,
            "shell_read",
            shell_id=shell_id,
            after=cursor,
            run=run.number,
            quiet_s=0.0,
            wait_s=POLL_WAIT_S,
            max_bytes=TEXT_MAX_BYTES,
        )
        for piece in page.output:
            await on_piece(piece)
        cursor = page.cursor
        if page.stopped_by in {"run_ended", "shell_ended"} and page.run is not None:
            return page.run


async def _cancel_when(interruption: Interruption, backend: Backend, shell_id: str) -> None:
    await interruption.happened.wait()
    await cancel(backend, shell_id)


async def cancel(backend: Backend, shell_id: str) -> None:
    """Interrupt a shell's run; following it tells what became of that."""
    with suppress(DevbenchError):  # it ended meanwhile, or following it will say what is wrong
        await ask(backend, ShellCancelOutput, "shell_cancel", shell_id=shell_id)


def exit_code_of_run(run: ShellRunView, interrupted_by: int = 0) -> int:
    """Return the exit code of a run that has ended, as a shell would give it.

    Args:
        run: The run.
        interrupted_by: The signal that made us interrupt it, 0 for none.
    """
    if run.reason == "cancelled":
        return EXIT_SIGNAL_BASE + interrupted_by if interrupted_by else EXIT_INTERRUPTED
    if run.reason == "timed_out":
        return EXIT_TIMEOUT
    return EXIT_EXEC_FAILED if run.reason == "lost" or run.exit_code is None else run.exit_code


def tell_run(run: ShellRunView, options: Options) -> None:
    """Say how a run ended when its exit code alone does not; machines are always told."""
    if options.as_json:
        json_line({"run": run.model_dump(mode="json")})
        return
    words = [FATE[run.reason]] if run.reason in FATE else []
    if run.shell_kept is False and run.reason != "shell_ended":
        words.append("the shell had to be ended with it")
    if words:
        sys.stderr.write(f"devbench: {'; '.join(words)}\n")
