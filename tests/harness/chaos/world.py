"""What a run of chaos happens in."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs

from harness.chaos.clocks import Clock
from harness.chaos.engine_proxy import EngineProxy
from harness.chaos.links import Link
from harness.host_group import Group
from harness.postgres import Server
from harness.redis_server import RedisServer

BUSY, CONTENDED = "busy", "contended"

AT_LENGTH = bool(os.environ.get("DEVBENCH_TEST_CHAOS_AT_LENGTH"))
"""Whether what is too slow, or not understood yet, is done, too."""


@attrs.define(kw_only=True)
class World:
    """Hosts and what they stand on.

    Attributes:
        store_url: Of its database.
        on_engine: Returns the ids of the containers that the engine has, and whatever else is there that would stay.
        chance: Chooses whatever is to be chosen.
        disk: The file system of the workspaces, where it is a small one.
        clocks: Those of hosts whose clock can be set, by port.
        link: The only way of one host to the store, where it can be taken away.
        proxy: The way of all hosts to the engine, where it can be made slow.
        restart_engine: Does that, where the engine is our own.
        refuses: Codes of errors that a caller may be told while what they are about is missing.
    """

    group: Group
    store: Server
    store_url: str
    lock: RedisServer
    on_engine: Callable[[], list[str]]
    chance: random.Random
    disk: Path | None = None
    clocks: dict[int, Clock] = attrs.field(factory=dict[int, Clock])
    link: Link | None = None
    proxy: EngineProxy | None = None
    restart_engine: Callable[[], Awaitable[None]] | None = None
    refuses: frozenset[str] = frozenset()

    def somebody(self) -> int:
        """Return the port of a host, whether it lives or not."""
        return self.chance.choice(self.group.ports)


Fault = Callable[[World], Awaitable[None]]
