"""A running command, as core hands it out: built on the agent's channel, the same on every runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from devbench_core.model.execution import Chunk, ExecEnding

__all__ = ["Process"]


class Process(Protocol):
    """One command in a container. Its output and its ending outlive every reader."""

    def output(self, after: int = 0) -> AsyncIterator[Chunk]:
        """Iterate over the output after a cursor (0: from the beginning), ending with the command.

        Any number of readers get the same chunks. A gap is a chunk with ``lost_bytes`` set.

        Raises:
            StoreFailed: Older output had to be read from the store and could not be.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes to stdin, waiting while the command does not read.

        Bytes for a command that has ended or closed its stdin are discarded; that is not an error.

        Raises:
            AgentUnavailable: The channel broke.
        """
        ...

    async def close_stdin(self) -> None:
        """Give end of file to stdin (half-close). A second call does nothing."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """Tell a terminal's new size; no effect for a command without a terminal."""
        ...

    async def signal(self, number: int) -> None:
        """Send a signal to the whole process tree. No effect after the ending."""
        ...

    async def wait(self) -> ExecEnding:
        """Return the one ending. Every call, however late, returns the same value.

        Cancelling this wait does not touch the command.
        """
        ...
