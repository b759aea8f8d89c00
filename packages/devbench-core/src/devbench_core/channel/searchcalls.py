"""Searches on a channel; what the agent says is checked."""

from __future__ import annotations

import attrs

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.faults import lie
from devbench_core.channel.messages import Message
from devbench_core.channel.replies import Reply
from devbench_core.channel.search_messages import Find, FindEnd, Found, FoundEntry


def order(path: bytes) -> list[bytes]:
    """Return what paths of a walk rise by: a folder comes before what is in it, names by their bytes."""
    return path.split(b"/") if path else []


def check_path(path: bytes) -> None:
    """Check a path beneath a folder.

    Raises:
        AgentMisbehaved: It is none.
    """
    if any(name in {b"", b".", b".."} for name in path.split(b"/")):
        raise lie("a path of a search is no path beneath its folder")


class FindReply(Reply[tuple[tuple[FoundEntry, ...], FindEnd]]):
    """A page of a tree, in its order."""

    def __init__(self, after: bytes, limit: int) -> None:
        super().__init__()
        self._last = order(after)
        self._limit = limit
        self._entries: list[FoundEntry] = []

    def accept(self, message: Message) -> bool:
        """Take a part of the page, or its end."""
        if isinstance(message, FindEnd):
            if message.more:
                self._rise(message.cursor, equal=True)
            return self.done((tuple(self._entries), message))
        if not isinstance(message, Found):
            raise self.unexpected(message)
        for entry in message.entries:
            self._rise(entry.path, equal=False)
            self._entries.append(entry)
        if len(self._entries) > self._limit:
            raise lie("more entries than were asked for")
        return False

    def _rise(self, path: bytes, *, equal: bool) -> None:
        check_path(path)
        place = order(path)
        if place < self._last or (place == self._last and not equal):
            raise lie("the entries of a tree are out of order")
        self._last = place


async def find(channel: AgentChannel, request: Find) -> tuple[tuple[FoundEntry, ...], FindEnd]:
    """Return a page of a tree; the request gets its id here. Raises as `AgentChannel.ask`."""
    return await channel.ask(
        lambda number: attrs.evolve(request, id=number), lambda _: FindReply(request.after, request.limit)
    )
