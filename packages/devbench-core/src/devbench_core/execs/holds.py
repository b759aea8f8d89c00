"""Words that keep an ended command although its container has newer ones: somebody was promised what it said.

A hold does not keep it beyond ``execs.retain_s``. Whoever holds must release: nobody else does.
"""

from __future__ import annotations

from devbench_core.contracts.store import Put, Remove, Store

KIND = "exec_hold"
PAGE = 200


def hold(name: str, exec_id: str, container_id: str) -> Put:
    """Return the change that holds a command; safe to repeat.

    Args:
        name: Of the hold, unique among all.
        exec_id: Which command.
        container_id: Where it ran.
    """
    terms = frozenset({f"container={container_id}"})
    return Put(kind=KIND, key=name, data={"exec_id": exec_id}, terms=terms)


def release(name: str) -> Remove:
    """Return the change that ends a hold; one that is not there is fine."""
    return Remove(kind=KIND, key=name)


async def held(store: Store, container_id: str) -> frozenset[str]:
    """Return which of a container's commands are held."""
    found: set[str] = set()
    cursor = ""
    while True:
        page = await store.list(
            KIND, terms=frozenset({f"container={container_id}"}), after=cursor, limit=PAGE
        )
        found.update(str(record.data["exec_id"]) for record in page.records)
        cursor = page.cursor
        if not cursor:
            return frozenset(found)
