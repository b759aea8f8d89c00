"""Where commands are in the store, and how they are found there: apart, for who only asks whether there are any."""

from __future__ import annotations

KIND = "exec"
LIVE = "live"
ENDED = "ended"


def in_container(container_id: str, *more: str) -> frozenset[str]:
    """Return the words for the commands of a container."""
    return frozenset({f"container={container_id}", *more})
