"""Podman's client is synchronous: each call is made in a thread of a bounded pool, on a connection that can be cut.

Who is cancelled cuts the connection: the thread wakes up at once, and nobody waits for an engine that stays silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from podman.api.client import APIClient, APIResponse
from podman.api.uds import UDSConnection, UDSConnectionPool

T = TypeVar("T")
API_VERSION = "4.0.0"
Work = Callable[[APIClient], T]


class Cord:
    """What a call hangs by: its connection, known as soon as it is open."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._connection: socket.socket | None = None
        self._is_cut = False

    def hold(self, connection: socket.socket) -> None:
        """Remember the call's connection."""
        with self._guard:
            self._connection = connection
            if self._is_cut:
                _shut(connection)

    def cut(self) -> None:
        """End the call from outside: whoever reads from its connection gets the end of it."""
        with self._guard:
            self._is_cut = True
            if self._connection is not None:
                _shut(self._connection)


class Workers:
    """Threads for calls to one service.

    Attributes:
        turn: To be held while a thread is used, so that no call waits for one where it could not be cut.
    """

    def __init__(self, path: str, *, size: int, connect_timeout_s: float) -> None:
        self._path = path
        self._connect_timeout_s = connect_timeout_s
        self.turn = asyncio.Semaphore(size)
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="devbench-podman")

    async def run(self, work: Work[T], bound_s: float) -> T:
        """Make a call in a thread and return what it gives; a cancelled call ends at once.

        Raises:
            TimeoutError: It took too long; waiting for its turn does not count.
        """
        async with self.turn, asyncio.timeout(bound_s):
            cord = Cord()
            with self._client(cord) as client:
                return await self._perform(cord, lambda: work(client))

    async def lines(self, work: Work[APIResponse]) -> AsyncGenerator[bytes, None]:
        """Make a call and yield the lines of its answer, each as soon as it is there. The caller has the turn."""
        cord = Cord()
        with self._client(cord) as client:
            try:
                response = await self._perform(cord, lambda: work(client))
                lines = response.iter_lines(chunk_size=None)
                while (line := await self._perform(cord, lambda: next(lines, None))) is not None:
                    yield line
            finally:
                cord.cut()

    def close(self) -> None:
        """Let the threads go; no call is under way any more."""
        self._pool.shutdown(wait=False)

    async def _perform(self, cord: Cord, work: Callable[[], T]) -> T:
        under_way = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(under_way)
        except asyncio.CancelledError:
            cord.cut()
            with contextlib.suppress(Exception):  # what a call says that nobody waits for
                await under_way
            raise

    def _client(self, cord: Cord) -> APIClient:
        client = APIClient(f"unix://{self._path}", version=API_VERSION)
        connections = _connections(cord, self._connect_timeout_s)
        for adapter in client.adapters.values():
            adapter.poolmanager.pool_classes_by_scheme = {"http": connections}
        return client


def _connections(cord: Cord, timeout_s: float) -> type[UDSConnectionPool]:
    class Connection(UDSConnection):
        def connect(self) -> None:
            self.timeout = timeout_s
            super().connect()
            self.timeout = None  # the answer's bound is the caller's, who cuts the cord
            self.sock.settimeout(None)
            cord.hold(self.sock)

    class Connections(UDSConnectionPool):
        ConnectionCls = Connection

    return Connections


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed
        connection.shutdown(socket.SHUT_RDWR)
