"""The link to a container's agent: opens a channel when needed and mends it when it was cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.stream import ByteStream


class AgentLink:
    """One container's link."""

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[ByteStream]],
        token: bytes,
        claim: bool,
        instance: str,
        limits: ChannelLimits,
        tasks: asyncio.TaskGroup,
        on_cut: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._connect = connect

    async def channel(self) -> object:
        """Return an open channel."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close."""
        raise NotImplementedError
