"""The server, as the lock speaks with it: scripts, with bounds and retries, and failures translated."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from devbench_core.errors import LockFailed
from devbench_core.finishing import GRACE_S, finished
from devbench_lock_redis.address import Address
from devbench_lock_redis.failures import failure, is_passing
from devbench_lock_redis.scripts import Script
from devbench_lock_redis.settings import RedisSettings

FIRST_PAUSE_S = 0.05
"""Before the first retry; each later one waits twice as long."""
PAUSE_MAX_S = 1.0


LISTENERS = 1


def client_of(address: Address, settings: RedisSettings) -> Redis:
    """Return a client, not connected yet. Retries are ours: only we know what may be repeated."""
    options: dict[str, Any] = {"unix_socket_path": address.path} if address.path else {}
    if address.tls:
        options |= {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": settings.tls_ca_file,
            "ssl_certfile": settings.tls_cert_file,
            "ssl_keyfile": settings.tls_key_file,
        }
    return Redis(
        host=address.host or "localhost",
        port=address.port,
        db=address.db,
        username=address.username,
        password=address.password,
        protocol=2,  # what all versions of client and server speak alike
        decode_responses=True,
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.command_timeout_s,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        max_connections=settings.pool_size
        + LISTENERS
        + 1,  # the client's own bound is lower than ours may be
        **options,
    )


async def closed(client: Redis) -> None:
    """Close a client's connections. With TLS the server takes part in that; one that does not is left to itself."""
    with suppress(RedisError, OSError):
        await client.aclose()


class Server:
    """One Redis server."""

    def __init__(self, client: Redis, settings: RedisSettings, where: str) -> None:
        self._client = client
        self._settings = settings
        self._where = where
        self._free = asyncio.Semaphore(settings.pool_size)
        self._limit_s = settings.connect_timeout_s + settings.command_timeout_s

    @property
    def where(self) -> str:
        """Its address, without who we are there."""
        return self._where

    async def run(
        self,
        script: Script,
        keys: list[str],
        arguments: list[str | int],
        *,
        limit_s: float | None = None,
        retries: int | None = None,
        grace_s: float = GRACE_S,
    ) -> Any:
        """Run a script that may be repeated when its answer was lost.

        When the caller is cancelled, a try that is under way comes to its end first.

        Args:
            script: Which.
            keys: Its keys.
            arguments: Its arguments.
            limit_s: How long one try may take at most, less than the settings allow.
            retries: How often to try again at most, instead of the settings' number.
            grace_s: For how long at most a try comes to its end.

        Raises:
            LockFailed: The server did not answer, or refused.
        """
        left = self._settings.retries if retries is None else retries
        limit_s = min(limit_s or self._limit_s, self._limit_s)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await finished(self._try(script, keys, arguments, limit_s), grace_s)
            except (RedisError, OSError, TimeoutError) as error:
                if left == 0 or not is_passing(error):
                    raise failure(self._where, error) from error
            left -= 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def ping(self) -> None:
        """See that the server answers, and takes our user and password.

        Raises:
            LockFailed: It does not.
        """
        try:
            async with asyncio.timeout(self._limit_s):
                await finished(cast("Any", self._client).ping(), grace_s=0)
        except (RedisError, OSError, TimeoutError) as error:
            raise failure(self._where, error) from error

    async def _try(self, script: Script, keys: list[str], arguments: list[str | int], limit_s: float) -> Any:
        await self._turn()
        try:
            client = cast("Any", self._client)
            async with asyncio.timeout(limit_s):
                try:
                    return await client.evalsha(script.sha, len(keys), *keys, *arguments)
                except NoScriptError:  # never sent to this server, or flushed
                    return await client.eval(script.text, len(keys), *keys, *arguments)
        finally:
            self._free.release()

    async def _turn(self) -> None:
        timeout_s = self._settings.pool_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise LockFailed(
                f"no connection to Redis at {self._where} became free within {timeout_s:g} s",
                hint="raise plugin.redis.pool_size or plugin.redis.pool_timeout_s",
            ) from error
