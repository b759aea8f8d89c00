"""Says what the server is, for `devbench doctor`."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from redis.exceptions import RedisError

from devbench_core.contracts.provider import Diagnosis
from devbench_core.errors import DevbenchError
from devbench_core.finishing import finished
from devbench_lock_redis.address import address_of
from devbench_lock_redis.failures import failure
from devbench_lock_redis.server import client_of, closed
from devbench_lock_redis.settings import RedisSettings

TIMEOUT_S = 3.0
SAFE_POLICY = "noeviction"


async def look(settings: RedisSettings) -> Diagnosis:
    """Return what `devbench doctor` shows."""
    try:
        address = address_of(settings)
    except DevbenchError as error:
        return Diagnosis(ok=False, summary=str(error))
    client = client_of(address, settings)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            about: dict[str, Any] = await finished(cast("Any", client).info(), grace_s=0)
    except (RedisError, OSError, TimeoutError) as error:
        return Diagnosis(ok=False, summary=str(failure(str(address), error)))
    finally:
        await closed(client)
    policy = about.get("maxmemory_policy", SAFE_POLICY)
    notes = (
        ()
        if policy == SAFE_POLICY
        else (f"maxmemory-policy is {policy}: leases may be evicted, and are lost then; set {SAFE_POLICY}",)
    )
    role = about.get("role", "master")
    return Diagnosis(
        ok=role == "master",
        summary=f"Redis {about.get('redis_version', 'of some version')} at {address}"
        + ("" if role == "master" else ", which is a replica and takes no writes"),
        notes=notes,
    )
