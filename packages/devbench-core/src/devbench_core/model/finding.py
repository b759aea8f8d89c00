"""What is due to be ended or removed, and why."""

from __future__ import annotations

from enum import StrEnum

from devbench_core.values import frozen

__all__ = ["Finding", "Garbage"]


class Garbage(StrEnum):
    """What is found.

    ``container``: a living one that ends. ``leftover``: an ended one whose removal was not confirmed. ``orphan``: on
    the engine, without a record. ``record``: of a container that ended long ago. ``command``, ``tombstone``: records
    of commands, and what is left of purged ones. ``journal``: output of purged commands. ``key``: idempotency keys.
    ``host``: hosts that died.
    """

    CONTAINER = "container"
    LEFTOVER = "leftover"
    ORPHAN = "orphan"
    RECORD = "record"
    COMMAND = "command"
    TOMBSTONE = "tombstone"
    JOURNAL = "journal"
    KEY = "key"
    HOST = "host"


@frozen
class Finding:
    """One thing, or several of one kind for one reason.

    Attributes:
        what: Its kind.
        id: Of a container or a host; "" for several things together.
        reason: Why it goes: the reason of an ending, or the setting that asks for it.
        count: How many.
        due_in_s: How long it stays; 0 for until the next round.
    """

    what: Garbage
    id: str = ""
    reason: str
    count: int = 1
    due_in_s: float = 0.0
