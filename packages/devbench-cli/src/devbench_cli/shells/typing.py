"""From our stdin to the programs of a shell's run, as it comes."""

from __future__ import annotations

from base64 import b64encode

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.terminal.local import typed
from devbench_core.errors import DevbenchError
from devbench_core.tools.shell_talk import ShellInputOutput

NOT_READ = {"shell_idle", "shell_ended", "input_unavailable"}
"""Why nothing reads what is typed any more: the run's output tells the rest."""
SLOW = "timeout"
"""The program did not read in time, and nothing was sent: it is offered again."""


async def pass_on(backend: Backend, shell_id: str) -> None:
    """Pass our stdin on until its end, or until nothing reads it any more.

    Raises:
        DevbenchError: It could not be sent.
    """
    while data := await typed():
        try:
            await _send(backend, shell_id, data)
        except DevbenchError as error:
            if error.code in NOT_READ:
                return
            raise


async def _send(backend: Backend, shell_id: str, data: bytes) -> None:
    while True:
        try:
            await ask(
                backend,
                ShellInputOutput,
                "shell_input",
                shell_id=shell_id,
                base64=b64encode(data).decode("ascii"),
            )
        except DevbenchError as error:
            if error.code != SLOW:
                raise
        else:
            return
