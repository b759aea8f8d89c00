"""Warm containers in the store: a kind of their own, so that nobody lists or counts them, and one slot each.

A slot is a record with a key of its own, so no hosts together ever make more than a pool's ceiling. Both are there
before the engine is asked for anything, and go in the same change that writes the container's.
The warm record's key is the container's id, which never comes back: so no revision of it is taken for another one's, as
it could be if slots, which are used again and again, were what revisions are compared of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import attrs

from devbench_core.contracts.store import ABSENT, Put, Record, Remove, Store
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen

T = TypeVar("T")
KIND = "warm"
SLOT_KIND = "warm_slot"
PAGE = 200


class State(StrEnum):
    """What is known of a warm container."""

    MAKING = "making"
    READY = "ready"
    LEAVING = "leaving"  # nobody gets it any more; its removal is not confirmed


@frozen
class Warm:
    """The record of a container that nobody asked for yet.

    Attributes:
        id: The container's id, from the beginning.
        pool: The pool's name.
        slot: Its place in the pool, from 0.
        runtime: The runtime's name.
        instance: The host that is responsible for it.
        fingerprint: Of all that the engine was asked for; see `devbench_core.pools.template`.
        image_id: The image it was made from.
        maker: What made it; see `devbench_core.pools.template`.
        state: What is known.
        ref: The engine's handle; "" until the engine gave one.
        made_at: When it was begun, UTC.
        reason: Why it leaves, when it does.
        revision: The store's revision of this record.
    """

    id: str
    pool: str
    slot: int
    runtime: str
    instance: str
    fingerprint: str
    image_id: str
    maker: str
    state: State
    ref: str = ""
    made_at: datetime
    reason: str = ""
    revision: int = ABSENT

    @property
    def slot_key(self) -> str:
        """Where its slot is stored."""
        return slot_key(self.runtime, self.pool, self.slot)


def slot_key(runtime: str, pool: str, slot: int) -> str:
    """Return where a slot is stored."""
    return f"{runtime}/{pool}/{slot}"


def put(warm: Warm) -> Put:
    """Return the change that writes it, expecting the revision it was read at."""
    words = {str(warm.state), f"runtime={warm.runtime}", f"like={warm.fingerprint}"}
    data = to_json(attrs.evolve(warm, revision=0))
    return Put(kind=KIND, key=warm.id, data=data, terms=frozenset(words), expect=warm.revision)


def not_warm_any_more(item: T) -> T | Record:
    """Return what a dump says of a warm container so that nobody gets it: it may have been used since.

    All else is returned as it is.
    """
    if not isinstance(item, Record) or item.kind != KIND:
        return item
    left = attrs.evolve(_read(item), state=State.LEAVING, reason="restored")
    change = put(left)
    return attrs.evolve(item, data=change.data, terms=change.terms)


def take_slot(warm: Warm) -> Put:
    """Return the change that takes its slot, if nobody has it."""
    return Put(kind=SLOT_KIND, key=warm.slot_key, data={"container_id": warm.id}, expect=ABSENT)


def remove(warm: Warm) -> tuple[Remove, Remove]:
    """Return the changes that remove it and free its slot: together with a container's record they are the claim."""
    # as long as the first expectation holds, the slot is this one's
    return (
        Remove(kind=KIND, key=warm.id, expect=warm.revision),
        Remove(kind=SLOT_KIND, key=warm.slot_key),
    )


async def save(store: Store, warm: Warm, *also: Put | Remove) -> Warm:
    """Write it, and further changes, all or nothing; return it with its new revision.

    Raises:
        Conflict: Somebody else changed it, or one of the other expectations failed.
    """
    first = (await store.apply(put(warm), *also))[0]
    return attrs.evolve(warm, revision=first.revision if first else 0)


async def listed(store: Store, *terms: str) -> AsyncIterator[Warm]:
    """Iterate over those that have all the terms."""
    cursor = ""
    while True:
        page = await store.list(KIND, terms=frozenset(terms), after=cursor, limit=PAGE)
        for record in page.records:
            yield _read(record)
        cursor = page.cursor
        if not cursor:
            return


async def ready(store: Store, runtime: str, fingerprint: str) -> list[Warm]:
    """Return those that can be claimed for a request with this fingerprint, one page of them."""
    terms = frozenset({str(State.READY), f"runtime={runtime}", f"like={fingerprint}"})
    page = await store.list(KIND, terms=terms, limit=PAGE)
    return [_read(record) for record in page.records]


def _read(record: Record) -> Warm:
    return attrs.evolve(from_json(Warm, record.data), revision=record.revision)
