"""What lives as long as a server runs: watched resources, open streams, the sweep of old tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_mcp.resources.following import Following
    from devbench_mcp.resources.streams import Streams


class Live:
    """The SDK's lifespan of a server.

    Args:
        tasks: Owns background work; everything in it is cancelled when the server ends.
        follow: Makes what follows resources, when the first request asks: a server begins before its bench is open.

    Attributes:
        tasks: As given.
    """

    def __init__(self, tasks: asyncio.TaskGroup, follow: Callable[[], tuple[Following, Streams]]) -> None:
        self.tasks = tasks
        self._follow = follow
        self._made: tuple[Following, Streams] | None = None

    @property
    def following(self) -> Following:
        """Follow resources."""
        return self._parts[0]

    @property
    def streams(self) -> Streams:
        """Those that listen."""
        return self._parts[1]

    @property
    def watched(self) -> int:
        """How many commands, and containers for their files, are followed now."""
        if self._made is None:
            return 0
        return self.following.outputs.count + self.following.files.count

    def close_streams(self) -> None:
        """End all streams that listen; their clients are told."""
        if self._made is not None:
            self.streams.close()

    def close(self) -> None:
        """Follow nothing any longer."""
        if self._made is not None:
            self.following.close()

    @property
    def _parts(self) -> tuple[Following, Streams]:
        if self._made is None:
            self._made = self._follow()
        return self._made
