"""What the store knows of the agents that run commands as other users."""

from __future__ import annotations

import attrs

from devbench_core.contracts.store import Put, Record, Remove, Store
from devbench_core.errors import Conflict, StoreFailed
from devbench_core.model.policy import Policy
from devbench_core.values import frozen

KIND = "container_guest"


@frozen
class Guest:
    """One start of an agent.

    Attributes:
        container_id: Where it runs.
        user: ``uid:gid``.
        token: What opens it.
        instance: The host that started it.
        ready: Whether it has its token; until then only that host knows more.
        handle: The engine's name for it.
        pid: Its number as it sees it itself.
        revision: The store's revision of this record.
    """

    container_id: str
    user: str
    token: bytes = attrs.field(repr=False)
    instance: str
    ready: bool = False
    handle: str = ""
    pid: int = 0
    revision: int = 0


def key_of(container_id: str, user: str) -> str:
    """Return the key of a user's agent in a container."""
    return f"{container_id}/{user}"


def container_of(key: str) -> str:
    """Return the id of the container that a key belongs to."""
    return key.partition("/")[0]


async def load(store: Store, container_id: str, user: str) -> Guest | None:
    """Return what is known of a user's agent, None for nothing."""
    found = await store.get(KIND, key_of(container_id, user))
    return None if found is None else _read(found, container_id, user)


async def save(store: Store, guest: Guest) -> Guest:
    """Write it, and return it with its new revision.

    Raises:
        Conflict: It changed since it was read; nothing was written.
    """
    data = attrs.asdict(guest, filter=attrs.filters.exclude("container_id", "user", "revision"))
    data["token"] = guest.token.hex()
    key = key_of(guest.container_id, guest.user)
    saved, *_ = await store.apply(Put(kind=KIND, key=key, data=data, expect=guest.revision))
    if saved is None:
        raise StoreFailed(f"the store returned no record for {key!r}")
    return attrs.evolve(guest, revision=saved.revision)


async def take_back(store: Store, guest: Guest, before: Guest | None) -> None:
    """Take back what was written last, so that what was there before is there again, unless somebody wrote after it."""
    try:
        if before is not None and before.ready:
            await save(store, attrs.evolve(before, revision=guest.revision))
            return
        key = key_of(guest.container_id, guest.user)
        await store.apply(Remove(kind=KIND, key=key, expect=guest.revision))
    except Conflict:
        return


def forget(container_id: str, policy: Policy) -> tuple[Remove, ...]:
    """Return the changes that remove all that is known of a container's agents."""
    return tuple(Remove(kind=KIND, key=key_of(container_id, user)) for user in policy.exec_users)


def _read(record: Record, container_id: str, user: str) -> Guest:
    data = record.data
    return Guest(
        container_id=container_id,
        user=user,
        token=bytes.fromhex(str(data["token"])),
        instance=str(data["instance"]),
        ready=bool(data["ready"]),
        handle=str(data["handle"]),
        pid=int(str(data["pid"])),
        revision=record.revision,
    )
