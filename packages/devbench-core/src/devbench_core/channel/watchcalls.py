"""Watching on a channel."""

from __future__ import annotations

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.faults import lie
from devbench_core.channel.messages import Message
from devbench_core.channel.replies import Reply
from devbench_core.channel.watch_messages import Changes, Happened, Watch, WatchFlag

PATH_MAX = 4095


class ChangesReply(Reply[Changes]):
    """One page of changes, whose paths are checked."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def accept(self, message: Message) -> bool:
        """Take the page."""
        if not isinstance(message, Changes):
            raise self.unexpected(message)
        if len(message.changes) > self._limit:
            raise lie("more changes than were asked for")
        for change in message.changes:
            moved = change.kind is Happened.MOVED
            if (
                not _is_inside(change.path)
                or not _is_inside(change.origin)
                or moved is not bool(change.origin)
            ):
                raise lie("a change of something that is no path")
        return self.done(message)


def _is_inside(path: bytes) -> bool:
    if not path:
        return True
    return len(path) <= PATH_MAX and not {b"", b".", b".."} & set(path.split(b"/"))


async def changes(
    channel: AgentChannel,
    path: bytes,
    *,
    recursive: bool,
    watch: int,
    after: int,
    wait_s: float,
    debounce_s: float,
    limit: int,
) -> Changes:
    """Return what changed beneath a path after a number, waiting for it; a new watch (0) is answered at once.

    Waits at most half the time that a request may take. Raises as `AgentChannel.ask`.
    """
    bounded_s = min(wait_s, channel.limits.request_timeout_s / 2)
    return await channel.ask(
        lambda number: Watch(
            id=number,
            path=path,
            flags=WatchFlag.RECURSIVE if recursive else 0,
            watch=watch,
            after=after,
            wait_ms=round(bounded_s * 1000),
            debounce_ms=round(debounce_s * 1000),
            limit=limit,
        ),
        lambda _: ChangesReply(limit),
    )
