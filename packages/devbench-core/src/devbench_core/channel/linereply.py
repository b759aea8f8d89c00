"""The answer to a request for lines, which is held to what was asked for."""

from __future__ import annotations

from collections.abc import Callable

from devbench_core.channel.change_messages import ALL_LINES, LinesAt
from devbench_core.channel.codes import ByteOrder
from devbench_core.channel.faults import lie
from devbench_core.channel.file_messages import Data, FileWindow, ReadEnd, ReadMeta, Stat
from devbench_core.channel.messages import Message
from devbench_core.channel.replies import Reply
from devbench_core.values import frozen

SIZE_MAX = 2**63 - 1


@frozen
class LinesAsked:
    """What is asked for.

    Attributes:
        first: Line to begin with, from 1, or from the end when negative.
        count: How many lines at most, `ALL_LINES` for all.
        most: How many bytes at most; a multiple of ``width``.
        width: Bytes of a unit in which lines end.
        order: Of the bytes of a unit.
    """

    first: int
    count: int
    most: int
    width: int
    order: ByteOrder


@frozen
class LinesRead:
    """What came.

    Attributes:
        stat: Of the file.
        number: Of the first line, 0 when the agent did not count.
        offset: Where it begins, in bytes.
        order: Of the bytes of a unit.
        data: The lines.
        eof: Whether the file's end was reached.
        changed: Whether the file changed meanwhile.
    """

    stat: Stat
    number: int
    offset: int
    order: ByteOrder
    data: bytes
    eof: bool
    changed: bool


class LinesReply(Reply[LinesRead]):
    """A file's description, where its lines are, and their bytes."""

    def __init__(self, number: int, asked: LinesAsked, window: int, post: Callable[[Message], None]) -> None:
        super().__init__()
        self._id = number
        self._asked = asked
        self._window = window
        self._post = post
        self._limit = min(window, asked.most)
        self._stat: Stat | None = None
        self._at: LinesAt | None = None
        self._parts: list[bytes] = []
        self._got = 0

    def accept(self, message: Message) -> bool:
        """Take the description, the place, a piece, or the end."""
        match message:
            case ReadMeta() if self._stat is None:
                self._stat = message.stat
            case LinesAt() if self._stat is not None and self._at is None:
                self._place(message)
            case Data() if self._at is not None:
                self._piece(message.data)
            case ReadEnd() if self._stat is not None and self._at is not None:
                return self._end(self._stat, self._at, message)
            case _:
                raise self.unexpected(message)
        return False

    def _place(self, at: LinesAt) -> None:
        asked = self._asked
        if at.offset > SIZE_MAX or at.order is ByteOrder.BY_MARK or (asked.first > 0 and not at.number):
            raise lie("lines are at no place")
        if asked.first > 0 and at.number > asked.first:
            raise lie("other lines than were asked for")
        self._at = at

    def _piece(self, data: bytes) -> None:
        self._got += len(data)
        if self._got > self._limit:
            raise lie("more bytes of a file than were allowed")
        self._parts.append(data)
        wanted = min(self._got + self._window, self._asked.most)
        if wanted > self._limit and self._limit - self._got <= self._window // 2:
            self._limit = wanted
            self._post(FileWindow(id=self._id, limit=wanted))

    def _end(self, stat: Stat, at: LinesAt, end: ReadEnd) -> bool:
        data = b"".join(self._parts)
        lines = count_lines(data, self._asked.width, at.order)
        if self._asked.count != ALL_LINES and lines > self._asked.count:
            raise lie("more lines than were asked for")
        if not end.eof and self._got < self._asked.most and lines < self._asked.count:
            raise lie("a read of lines ended early")
        return self.done(
            LinesRead(
                stat=stat,
                number=at.number,
                offset=at.offset,
                order=at.order,
                data=data,
                eof=end.eof,
                changed=end.changed,
            )
        )


def count_lines(data: bytes, width: int, order: ByteOrder) -> int:
    """Return how many line ends there are."""
    if width == 1:
        return data.count(b"\n")
    codec = f"utf-{8 * width}-{'be' if order is ByteOrder.BIG else 'le'}"
    return data[: len(data) - len(data) % width].decode(codec, "replace").count("\n")
