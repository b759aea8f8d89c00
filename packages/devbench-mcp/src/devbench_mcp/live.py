"""What lives as long as a server runs: watched resources, open streams, the sweep of old tasks."""

from __future__ import annotations

import asyncio

import attrs

from devbench_mcp.resources.following import Following
from devbench_mcp.resources.streams import Streams


@attrs.frozen(kw_only=True, eq=False)
class Live:
    """The SDK's lifespan of a server.

    Attributes:
        tasks: Owns background work; everything in it is cancelled when the server ends.
        following: Follow resources.
        streams: That listen.
    """

    tasks: asyncio.TaskGroup
    following: Following
    streams: Streams
