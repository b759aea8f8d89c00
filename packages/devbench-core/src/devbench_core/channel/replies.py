"""What is expected after a request: each kind checks what comes and says when it was the last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from devbench_core.channel.batch_messages import BatchResults
from devbench_core.channel.change_messages import LinesAt, Progress
from devbench_core.channel.exec_messages import Entry, EntryList
from devbench_core.channel.faults import lie
from devbench_core.channel.file_messages import (
    Data,
    Entries,
    FileError,
    FileWindow,
    Named,
    ReadEnd,
    ReadMeta,
    Stat,
)
from devbench_core.channel.messages import Message, Refused
from devbench_core.channel.search_messages import Found, GrepChanged, GrepFiles, GrepLines

T = TypeVar("T")
M = TypeVar("M", bound=Message)
AGENT_EXECS_MAX = 4096  # more commands than any agent may hold
NOT_THE_LAST = (ReadMeta, LinesAt, Data, BatchResults, Found, GrepFiles, GrepLines, GrepChanged)


class FileRefused(Exception):
    """A file request failed in the container; the message says how."""

    def __init__(self, reply: FileError) -> None:
        super().__init__(reply.message)
        self.reply = reply


class RequestRefused(Exception):
    """The agent refused a request; the message says why."""

    def __init__(self, reply: Refused) -> None:
        super().__init__(reply.message)
        self.reply = reply


class Reply(Generic[T]):
    """The answer to one request, arriving in one or more frames."""

    def __init__(self) -> None:
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.progress: Callable[[], None] | None = None

    def take(self, message: Message) -> bool:
        """Take a frame; return whether the request is over.

        Raises:
            AgentMisbehaved: It is not what may come now.
        """
        if isinstance(message, FileError):
            self.fail(FileRefused(message))
            return True
        if isinstance(message, Refused):
            self.fail(RequestRefused(message))
            return True
        if self.progress is not None:
            self.progress()
        if isinstance(message, Progress):
            return False
        return self.accept(message)

    def accept(self, message: Message) -> bool:
        """Take a frame that is no failure; return whether it is the last."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Give up; nobody has to be waiting."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()

    def done(self, value: T) -> bool:
        """Give the answer."""
        if not self.future.done():
            self.future.set_result(value)
        return True

    def unexpected(self, message: Message) -> Exception:
        """Return the error for a frame of another request's kind."""
        return lie(f"{type(message).__name__} answers request {message.id}, which asked for something else")


class OneReply(Reply[M]):
    """A single frame."""

    def __init__(self, final: type[M]) -> None:
        super().__init__()
        self._final = final

    def accept(self, message: Message) -> bool:
        """Take the answer."""
        if isinstance(message, self._final):
            return self.done(message)
        raise self.unexpected(message)


class Abandoned(Reply[None]):
    """The rest of a request that nobody waits for: dropped until its last frame."""

    def accept(self, message: Message) -> bool:
        """Drop a frame."""
        if isinstance(message, NOT_THE_LAST):
            return False
        return not isinstance(message, Entries | EntryList) or message.last


class ListReply(Reply[tuple[Entry, ...]]):
    """The agent's commands."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []

    def accept(self, message: Message) -> bool:
        """Take a part of the list."""
        if not isinstance(message, EntryList):
            raise self.unexpected(message)
        self._entries += message.entries
        if len(self._entries) > AGENT_EXECS_MAX:
            raise lie("an endless list of commands")
        return self.done(tuple(self._entries)) if message.last else False


class EntriesReply(Reply[tuple[tuple[Named, ...], bool]]):
    """Names of a folder, and whether there are more."""

    def __init__(self, after: bytes, limit: int) -> None:
        super().__init__()
        self._last_name = after
        self._limit = limit
        self._entries: list[Named] = []

    def accept(self, message: Message) -> bool:
        """Take a part of the listing."""
        if not isinstance(message, Entries):
            raise self.unexpected(message)
        for entry in message.entries:
            if entry.name <= self._last_name or b"/" in entry.name or entry.name in {b".", b".."}:
                raise lie("names of a folder are out of order or no names")
            self._last_name = entry.name
            self._entries.append(entry)
        if len(self._entries) > self._limit:
            raise lie("more names than were asked for")
        return self.done((tuple(self._entries), message.more)) if message.last else False


class ReadReply(Reply[tuple[Stat, bytes, bool, bool]]):
    """A file's description and bytes, whether its end was reached, and whether it changed meanwhile.

    Args:
        number: The request's id.
        most: Bytes that were asked for.
        window: Bytes that may be ahead.
        post: Sends a frame.
    """

    def __init__(self, number: int, most: int, window: int, post: Callable[[Message], None]) -> None:
        super().__init__()
        self._id = number
        self._most = most
        self._window = window
        self._post = post
        self._limit = min(window, most)
        self._stat: Stat | None = None
        self._parts: list[bytes] = []
        self._got = 0

    def accept(self, message: Message) -> bool:
        """Take the description, a piece, or the end."""
        if isinstance(message, Data) and self._stat is not None:
            self._piece(message.data)
            return False
        if isinstance(message, ReadMeta) and self._stat is None:
            self._stat = message.stat
            return False
        if isinstance(message, ReadEnd) and self._stat is not None:
            if not message.eof and self._got < self._most:
                raise lie("a read ended early")
            return self.done((self._stat, b"".join(self._parts), message.eof, message.changed))
        raise self.unexpected(message)

    def _piece(self, data: bytes) -> None:
        self._got += len(data)
        if self._got > self._limit:
            raise lie("more bytes of a file than were allowed")
        self._parts.append(data)
        wanted = min(self._got + self._window, self._most)
        if wanted > self._limit and self._limit - self._got <= self._window // 2:
            self._limit = wanted
            self._post(FileWindow(id=self._id, limit=wanted))
