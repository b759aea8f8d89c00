"""Wakes those of this process who wait for a key: the server tells whose turn it is, on one connection for all."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from devbench_core.leases.bells import Bells
from devbench_core.logs import get_logger
from devbench_lock_redis.failures import failure

log = get_logger(__name__)
SILENCE_S = 15.0
"""After so long without a message the server is asked whether it is there; after twice as long it is not."""

FIRST_PAUSE_S = 0.02
"""Before connecting again; each further try waits twice as long."""


class Wakeups(Bells):
    """Listens on a channel. What is not heard is made up for by those who wait: they look for themselves, too."""

    def __init__(self, client: Redis, channel: str, where: str, retry_s: float) -> None:
        super().__init__()
        self._client = client
        self._channel = channel
        self._where = where
        self._retry_s = retry_s
        self._pause_s = FIRST_PAUSE_S

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever that is needed."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                log.info("lock.not_listening", error=str(failure(self._where, error)))
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, self._retry_s)

    async def _listen(self) -> None:
        async with cast("Any", self._client).pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            self._pause_s = FIRST_PAUSE_S
            self.ring_all()  # nobody listened until now
            asked = False
            while True:
                message: dict[str, Any] | None = await pubsub.get_message(timeout=SILENCE_S)
                if message is None:
                    if asked:
                        return
                    await pubsub.ping()
                asked = message is None
                if message is not None:
                    self.ring(str(message["data"]))
