"""The one duplex byte stream that a runtime gives to reach the agent."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ByteStream"]


class ByteStream(Protocol):
    """An open duplex stream of bytes, used by one reader task and one writer task at a time.

    The agent's protocol is framed by itself, so a stream needs neither half-close nor message borders.
    """

    async def read(self) -> bytes:
        """Return the next bytes, at least one, in order, as soon as any are there.

        Returns:
            Between 1 byte and a few hundred KiB, or ``b""`` at the end of the stream (clean or not).

        Raises:
            AgentUnavailable: The connection broke. Bytes returned before are valid.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send all bytes; return when they are accepted, waiting while the other side is slow.

        Raises:
            AgentUnavailable: The connection broke; how much arrived is not known.
        """
        ...

    async def close(self) -> None:
        """End the stream and free what it holds. A second call does nothing. Never raises."""
        ...
