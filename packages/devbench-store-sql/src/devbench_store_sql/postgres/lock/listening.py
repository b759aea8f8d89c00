"""Wakes those of this process who wait for a key: the server tells whose turn it is, on one connection for all."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import asyncpg

from devbench_core.leases.bells import Bells
from devbench_core.logs import get_logger
from devbench_store_sql.postgres.address import Address
from devbench_store_sql.postgres.connections import PAUSE_S, Connection, options
from devbench_store_sql.postgres.failures import Errors, lock_failure
from devbench_store_sql.postgres.lock.statements import FORGET
from devbench_store_sql.settings import SqlSettings

log = get_logger(__name__)
CHANNELS = "devbench_lock_"
INSTANCE_BYTES = 8
SILENCE_S = 15.0
"""How often the server is asked whether it is there, by having it forget what killed hosts left; its answer is waited
for as long as the settings say."""


class Listening(Bells):
    """Listens on a channel. What is not heard is made up for by those who wait: they look for themselves, too."""

    def __init__(self, settings: SqlSettings, address: Address) -> None:
        super().__init__()
        self._settings = settings
        self._address = address
        self._pause_s = PAUSE_S
        self.instance = secrets.token_hex(INSTANCE_BYTES)

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever that is needed."""
        while True:
            try:
                await self._listen()
            except (TimeoutError, *Errors) as error:
                log.info("lock.not_listening", error=str(lock_failure(self._address.shown, error)))
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, self._settings.lock_poll_s)

    async def _listen(self) -> None:
        connection: Connection = await asyncpg.connect(**options(self._settings, self._address))
        ended = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: ended.set())
            await connection.add_listener(CHANNELS + self.instance, self._told)
            self._pause_s = PAUSE_S
            self.ring_all()  # nobody listened until now
            while not ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENCE_S):
                        await ended.wait()
                if not ended.is_set():
                    await connection.execute(FORGET, timeout=self._settings.lock_timeout_s)
        finally:
            connection.terminate()

    def _told(self, *told: Any) -> None:
        self.ring(str(told[-1]))
