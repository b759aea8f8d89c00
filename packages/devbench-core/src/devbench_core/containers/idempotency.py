"""The same key from the same caller gives the same container."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

import attrs

from devbench_core.clock import Clock
from devbench_core.containers.requests import SpawnRequest
from devbench_core.contracts.store import ABSENT, Put, Remove, Store
from devbench_core.errors import Conflict
from devbench_core.model.caller import Caller
from devbench_core.records import to_json

KIND = "idempotency"


@attrs.frozen(kw_only=True)
class Key:
    """A caller's key, and the fingerprint of the request that it stands for.

    Attributes:
        record_key: Where it is stored; the caller's own text is hashed, so it may hold anything.
        text: As the caller wrote it.
        fingerprint: Of the whole request without the key.
    """

    record_key: str
    text: str
    fingerprint: str

    @classmethod
    def of(cls, request: SpawnRequest, caller: Caller) -> Key | None:
        """Return the key of a request, None when it has none."""
        if request.idempotency_key is None:
            return None
        who = json.dumps(["spawn", caller.tenant, caller.subject, request.idempotency_key])
        what = json.dumps(to_json(attrs.evolve(request, idempotency_key=None)), sort_keys=True)
        return cls(
            record_key=hashlib.sha256(who.encode()).hexdigest(),
            text=request.idempotency_key,
            fingerprint=hashlib.sha256(what.encode()).hexdigest(),
        )

    def claim(self, container_id: str, expires_at: datetime) -> Put:
        """Return the change that claims the key for a container."""
        return Put(
            kind=KIND,
            key=self.record_key,
            data={
                "container_id": container_id,
                "fingerprint": self.fingerprint,
                "expires_at": expires_at.isoformat(),
            },
            terms=frozenset({f"container={container_id}"}),
            expect=ABSENT,
        )


class Keys:
    """Looks keys up and sweeps the expired ones."""

    def __init__(self, store: Store, clock: Clock, ttl_s: float) -> None:
        self._store = store
        self._clock = clock
        self._ttl_s = ttl_s

    def expiry(self) -> datetime:
        """Return when a key that is claimed now expires."""
        return self._clock.now() + timedelta(seconds=self._ttl_s)

    async def holder(self, key: Key) -> str | None:
        """Return the id of the container that holds a key; an expired claim is removed and counts as none.

        Raises:
            Conflict: The key stands for a different request.
        """
        record = await self._store.get(KIND, key.record_key)
        if record is None:
            return None
        if datetime.fromisoformat(str(record.data["expires_at"])) <= self._clock.now():
            await self._remove(record.key, record.revision)
            return None
        if record.data["fingerprint"] != key.fingerprint:
            raise Conflict(
                f"idempotency key {key.text!r} was used for a different request",
                hint="use a new key, or repeat the first request exactly",
                details={"container_id": str(record.data["container_id"])},
            )
        return str(record.data["container_id"])

    async def free(self, container_id: str) -> None:
        """Free the key that a container holds, when it holds one."""
        page = await self._store.list(KIND, terms=frozenset({f"container={container_id}"}), limit=10)
        for record in page.records:
            await self._remove(record.key, record.revision)

    async def sweep(self, batch: int) -> int:
        """Remove expired keys, looking at a bounded number; return how many went."""
        removed, cursor = 0, ""
        while True:
            page = await self._store.list(KIND, after=cursor, limit=batch)
            for record in page.records:
                if datetime.fromisoformat(str(record.data["expires_at"])) <= self._clock.now():
                    await self._remove(record.key, record.revision)
                    removed += 1
            cursor = page.cursor
            if not cursor:
                return removed

    async def _remove(self, key: str, revision: int) -> None:
        try:
            await self._store.apply(Remove(kind=KIND, key=key, expect=revision))
        except Conflict:
            return  # somebody else removed or renewed it: theirs holds
