"""A command as a `Process`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from devbench_core.channel.execstream import SIGNAL_MAX
from devbench_core.channel.stdin import pieces
from devbench_core.contracts.process import Process
from devbench_core.errors import ValidationFailed
from devbench_core.execs.input import refuse_shell
from devbench_core.execs.run import Run
from devbench_core.execs.validate import terminal_size
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Chunk, ExecEnding, TerminalSize

if TYPE_CHECKING:
    from devbench_core.execs.service import Execs

WAIT_S = 3600.0  # one round; bounded further by execs.poll_max_wait_s, and repeated


class ExecProcess:
    """One command."""

    def __init__(self, execs: Execs, exec_id: str, caller: Caller, run: Run | None) -> None:
        self._execs = execs
        self._id = exec_id
        self._caller = caller
        self._run = run

    async def output(self, after: int = 0) -> AsyncIterator[Chunk]:
        """Iterate over the output after a cursor, ending with the command."""
        while True:
            page = await self._execs.poll(self._id, after=after, wait_s=WAIT_S, caller=self._caller)
            for chunk in page.chunks:
                yield chunk
            after = page.cursor
            if page.ending is not None:
                return

    async def write(self, data: bytes) -> None:
        """Send bytes to stdin, waiting while the command does not read.

        Raises:
            InputUnavailable: It is a persistent shell, whose runs alone have an input.
        """
        if self._run is None or self._run.stdin is None or self._run.stream is None:
            return
        refuse_shell(self._run)
        for piece in pieces(data):
            await self._run.stdin.add(piece)
            self._run.stream.push_stdin()

    async def close_stdin(self) -> None:
        """Give end of file to stdin.

        Raises:
            InputUnavailable: It is a persistent shell, whose runs alone have an input.
        """
        if self._run is not None and self._run.stdin is not None and self._run.stream is not None:
            refuse_shell(self._run)
            self._run.stdin.complete = True
            self._run.stream.push_stdin()

    async def resize(self, columns: int, rows: int) -> None:
        """Tell a terminal's new size; no effect for a command without a terminal."""
        size = terminal_size(TerminalSize(columns=columns, rows=rows))
        if self._run is not None and self._run.record.tty and self._run.stream is not None:
            self._run.stream.resize(size.columns, size.rows)

    async def signal(self, number: int) -> None:
        """Send a signal to the whole process tree."""
        if not 1 <= number <= SIGNAL_MAX:
            raise ValidationFailed("number", f"must be 1-{SIGNAL_MAX}", limit=SIGNAL_MAX)
        if self._run is not None and self._run.stream is not None:
            self._run.stream.signal(number)

    async def wait(self) -> ExecEnding:
        """Return the one ending."""
        while True:
            record = await self._execs.wait(self._id, wait_s=WAIT_S, caller=self._caller)
            if record.ending is not None:
                return record.ending


if TYPE_CHECKING:
    _: type[Process] = ExecProcess
