"""Searches on a channel; what the agent says is checked."""

from __future__ import annotations

import attrs

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.faults import lie
from devbench_core.channel.messages import Message
from devbench_core.channel.replies import Reply
from devbench_core.channel.search_messages import (
    Find,
    FindEnd,
    Found,
    FoundEntry,
    Grep,
    GrepChanged,
    GrepEnd,
    GrepFiles,
    GrepInvalid,
    GrepLines,
    GreppedFile,
    GreppedLine,
    LineFlag,
)


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


class InvalidPattern(Exception):
    """The agent says that a pattern is none."""

    def __init__(self, reply: GrepInvalid) -> None:
        super().__init__(f"{reply.fault.name} at {reply.at}")
        self.reply = reply


@attrs.define(kw_only=True)
class GrepHit:
    """A file with matches, as it comes."""

    file: GreppedFile
    lines: list[GreppedLine] = attrs.field(factory=list[GreppedLine])
    changed: bool = False


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


class GrepReply(Reply[tuple[tuple[GrepHit, ...], GrepEnd]]):
    """A page of matches: files in the order of the walk, lines in that of the file, not more than was asked for."""

    def __init__(self, request: Grep) -> None:
        super().__init__()
        self._request = request
        self._last = order(request.after)
        self._fresh = True  # the first file may be that of the cursor
        self._hits: list[GrepHit] = []
        self._number = 0
        self._matches = 0
        self._lines_max = request.matches * (1 + request.before + request.behind)
        self._lines = 0

    def accept(self, message: Message) -> bool:
        """Take a part of the page, or its end."""
        match message:
            case GrepFiles():
                for file in message.files:
                    self._file(file)
            case GrepLines():
                for line in message.lines:
                    self._line(line)
            case GrepChanged() if self._hits:
                self._hits[-1].changed = True
            case GrepEnd():
                return self.done((tuple(self._hits), message))
            case GrepInvalid():
                self.fail(InvalidPattern(message))
                return True
            case _:
                raise self.unexpected(message)
        return False

    def _file(self, file: GreppedFile) -> None:
        if file.path:
            check_path(file.path)
        place = order(file.path)
        if place < self._last or (place == self._last and not self._fresh):
            raise lie("the files of a search are out of order")
        self._last, self._fresh, self._number = place, False, 0
        self._hits.append(GrepHit(file=file))
        if len(self._hits) > self._request.matches:
            raise lie("more files than were asked for")

    def _line(self, line: GreppedLine) -> None:
        self._lines += 1
        self._matches += line.flags & LineFlag.MATCH
        if not self._hits or line.number <= self._number or line.flags > LineFlag(7):
            raise lie("the lines of a search are out of order")
        if len(line.text) > self._request.line_bytes or self._lines > self._lines_max:
            raise lie("more of a file's lines than were asked for")
        if self._matches > self._request.matches:
            raise lie("more matches than were asked for")
        self._number = line.number
        self._hits[-1].lines.append(line)


async def grep(channel: AgentChannel, request: Grep) -> tuple[tuple[GrepHit, ...], GrepEnd]:
    """Return a page of matches; the request gets its id here. Raises as `AgentChannel.ask`, and `InvalidPattern`."""
    return await channel.ask(lambda number: attrs.evolve(request, id=number), lambda _: GrepReply(request))


async def find(channel: AgentChannel, request: Find) -> tuple[tuple[FoundEntry, ...], FindEnd]:
    """Return a page of a tree; the request gets its id here. Raises as `AgentChannel.ask`."""
    return await channel.ask(
        lambda number: attrs.evolve(request, id=number), lambda _: FindReply(request.after, request.limit)
    )
