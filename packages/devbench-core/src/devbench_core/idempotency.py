"""The same key from the same caller gives the same thing for the same request: a container, or a command.

A claim that stands for nothing any more is taken over in its place, one revision further, and removed only when nobody
does that any more. So whoever compares revisions cannot take somebody else's claim for the one that he saw.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from devbench_core.clock import Clock
from devbench_core.contracts.store import ABSENT, Put, Record, Remove, Store
from devbench_core.errors import Conflict, ValidationFailed
from devbench_core.json_types import JsonObject
from devbench_core.model.caller import Caller
from devbench_core.values import frozen

KIND = "idempotency"
TEXT_MAX = 200
PAGE = 200
TAKE_OVER_S = 1800.0
"""How long after its end a claim is taken over in its place; an older one is removed first."""
SWEEP_AFTER_S = 2 * TAKE_OVER_S
"""From the end of a claim to its removal: whoever was about to take it over is done by then."""
_NOBODY = ""


def check_text(text: str | None) -> None:
    """Refuse what is no key.

    Raises:
        ValidationFailed: It is empty, too long or not printable.
    """
    if text is not None and not (0 < len(text) <= TEXT_MAX and text.isprintable()):
        raise ValidationFailed(
            "idempotency_key", f"must be 1-{TEXT_MAX} printable characters", limit=TEXT_MAX
        )


@frozen
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
    def of(cls, text: str, request: JsonObject, caller: Caller, *scope: str) -> Key:
        """Return the key of a request.

        Args:
            text: As the caller wrote it.
            request: All that makes it another request when it differs.
            caller: Whose key it is.
            scope: What is done, and where: the same text means something else elsewhere.
        """
        what, *where = scope
        who = json.dumps([what, caller.tenant, caller.subject, *where, text])
        return cls(
            record_key=hashlib.sha256(who.encode()).hexdigest(),
            text=text,
            fingerprint=hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest(),
        )


@frozen
class Claim:
    """What a key stands for now.

    Attributes:
        holder: The id of the container or command; "" when it stands for nothing, and may be taken.
        revision: Of its record, to be expected by whoever takes it.
    """

    holder: str = _NOBODY
    revision: int = ABSENT


class Keys:
    """Claims of the keys for one kind of thing.

    Args:
        store: Keeps them.
        clock: Where time comes from.
        ttl_s: How long a claim holds.
        noun: What they stand for: ``container`` or ``exec``.
    """

    def __init__(self, store: Store, clock: Clock, ttl_s: float, noun: str) -> None:
        self._store = store
        self._clock = clock
        self._ttl_s = ttl_s
        self._noun = noun
        self._cursor = ""

    async def look(self, key: Key) -> Claim:
        """Return what a key stands for; one that expired or was freed stands for nothing.

        Raises:
            Conflict: The key stands for a different request.
        """
        record = await self._store.get(KIND, key.record_key)
        if record is None:
            return Claim()
        over_s = (self._clock.now() - _expiry(record)).total_seconds()
        if over_s > TAKE_OVER_S:
            await self._apply(Remove(kind=KIND, key=record.key, expect=record.revision))
            return Claim()
        holder = str(record.data[self._field])
        if over_s >= 0 or not holder:
            return Claim(revision=record.revision)
        if record.data["fingerprint"] != key.fingerprint:
            raise different(key, {self._field: holder})
        return Claim(holder=holder, revision=record.revision)

    def take(self, key: Key, holder: str, found: Claim) -> Put:
        """Return the change that makes a key stand for something from now on, if nobody was faster."""
        expires_at = self._clock.now() + timedelta(seconds=self._ttl_s)
        return Put(
            kind=KIND,
            key=key.record_key,
            data={
                self._field: holder,
                "fingerprint": key.fingerprint,
                "expires_at": expires_at.isoformat(),
            },
            terms=frozenset({f"{self._noun}={holder}"}),
            expect=found.revision,
        )

    async def free(self, holder: str) -> None:
        """Let the key that stands for a thing stand for nothing, when there is one."""
        page = await self._store.list(KIND, terms=frozenset({f"{self._noun}={holder}"}), limit=10)
        for record in page.records:
            freed = Put(
                kind=KIND,
                key=record.key,
                data={**record.data, self._field: _NOBODY},
                expect=record.revision,
            )
            await self._apply(freed)

    async def sweep(self, batch: int) -> int:
        """Remove claims, of every kind, that expired long ago.

        One batch is looked at in each call, and more while there is something to remove.

        Args:
            batch: How many are looked at together.

        Returns:
            How many went.
        """
        removed = 0
        while True:
            page = await self._store.list(KIND, after=self._cursor, limit=batch)
            self._cursor = page.cursor
            limit = self._clock.now() - timedelta(seconds=SWEEP_AFTER_S)
            over = [record for record in page.records if _expiry(record) <= limit]
            for record in over:
                await self._apply(Remove(kind=KIND, key=record.key, expect=record.revision))
            removed += len(over)
            if not over or not self._cursor:
                return removed

    async def expired(self) -> int:
        """Return how many claims, of every kind, `sweep` would remove in the end."""
        count, cursor = 0, ""
        limit = self._clock.now() - timedelta(seconds=SWEEP_AFTER_S)
        while True:
            page = await self._store.list(KIND, after=cursor, limit=PAGE)
            count += len([record for record in page.records if _expiry(record) <= limit])
            cursor = page.cursor
            if not cursor:
                return count

    @property
    def _field(self) -> str:
        return f"{self._noun}_id"

    async def _apply(self, change: Put | Remove) -> None:
        try:
            await self._store.apply(change)
        except Conflict:
            return  # somebody else changed it: theirs holds


def different(key: Key, details: dict[str, object]) -> Conflict:
    """Return the error for a key that stands for another request."""
    return Conflict(
        f"idempotency key {key.text!r} was used for a different request",
        hint="use a new key, or repeat the first request exactly",
        details=details,
    )


def _expiry(record: Record) -> datetime:
    return datetime.fromisoformat(str(record.data["expires_at"]))
