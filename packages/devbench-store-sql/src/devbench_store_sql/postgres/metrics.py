"""What the connections to PostgreSQL do, beside devbench's other metrics; of all stores that a process has open."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

from devbench_core.metrics import Metric


class Pool(Protocol):
    """Some connections."""

    @property
    def size(self) -> int:
        """How many are open."""
        ...

    @property
    def in_use(self) -> int:
        """How many somebody has."""
        ...


POOLS: WeakSet[Pool] = WeakSet()
"""Those that are counted; each enters itself."""

POOL_SIZE = Metric("Gauge", "devbench_postgresql_pool_size", "Open connections for reading.")
POOL_SIZE.do(lambda gauge: gauge.set_function(lambda: sum(pool.size for pool in tuple(POOLS))))
POOL_IN_USE = Metric(
    "Gauge", "devbench_postgresql_pool_in_use", "Connections for reading that a read has now."
)
POOL_IN_USE.do(lambda gauge: gauge.set_function(lambda: sum(pool.in_use for pool in tuple(POOLS))))
POOL_WAITING = Metric("Gauge", "devbench_postgresql_pool_waiting", "Reads that wait now for a connection.")
POOL_WAIT_SECONDS = Metric(
    "Histogram",
    "devbench_postgresql_pool_wait_seconds",
    "Time until a read got a connection, connecting included.",
)
RETRIES = Metric(
    "Counter",
    "devbench_postgresql_retries",
    "Attempts that were repeated, by reason: another host was in the way (conflict) or the connection broke (broken).",
    ("reason",),
)
CONNECTS = Metric(
    "Counter",
    "devbench_postgresql_connects",
    "Connections that were opened, by use: for reading (read) or writing (write); each beyond a host's first for "
    "writing is a reconnect.",
    ("use",),
)


@contextmanager
def waiting() -> Generator[None]:
    """Count whoever waits for a connection, and measure how long a successful wait took."""
    began = time.monotonic()
    POOL_WAITING.inc()
    try:
        yield
        POOL_WAIT_SECONDS.observe(time.monotonic() - began)
    finally:
        POOL_WAITING.dec()
