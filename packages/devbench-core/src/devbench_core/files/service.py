"""The use case of files: each operation is one intent and one request to the agent."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs

from devbench_core.bounds import bound
from devbench_core.channel import filecalls
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.file_messages import WriteFlag
from devbench_core.channel.link import AgentLink
from devbench_core.channel.replies import FileRefused, RequestRefused
from devbench_core.clock import Clock
from devbench_core.errors import FileConflict, FileFailed, TooLarge, ValidationFailed, Vetoed
from devbench_core.files.paths import Path, absolute_path, relative_path
from devbench_core.files.settings import FileLimits
from devbench_core.files.translate import error_of, info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Event, Request, Veto
from devbench_core.model.file import FileContent, FileInfo, FileListing, FileWritten

ETAG_MAX = 64
MODE_MAX = 0o7777
OFFSET_MAX = 2**62


@attrs.frozen(kw_only=True, eq=False)
class FileContext:
    """The collaborators of `Files`, as in `ExecContext`. ``resolve`` notes the use of the container."""

    clock: Clock
    limits: FileLimits
    resolve: Callable[[str, Caller], Awaitable[Container]]
    link: Callable[[Container], Awaitable[AgentLink]]
    review: Callable[[Request], Veto | None]
    emit: Callable[[Event], None]


class Files:
    """Read and write files of workspaces.

    ``container`` is an id or a living container's alias. Paths are relative to the workspace, or absolute beneath
    ``/workspace``; symbolic links may wander inside but not out. Every method may raise `ValidationFailed`,
    `ContainerNotFound`, `ContainerExited`, `Vetoed`, `PathOutside`, `FileFailed`, `TimedOut` (the outcome of
    a change is then not known) and `AgentUnavailable` (likewise).
    """

    def __init__(self, context: FileContext) -> None:
        self._context = context
        self._limits = context.limits

    async def read(
        self,
        container: str,
        path: Path,
        *,
        offset: int = 0,
        max_bytes: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileContent:
        """Read a file, or a part of it.

        Args:
            container: Where.
            path: Which file; links are followed.
            offset: Where to begin, in bytes; at or beyond the end gives no bytes.
            max_bytes: The most to return, at most ``files.read_max_bytes``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: The file was changed while it was read, so no etag belongs to the bytes; read again.
            FileFailed: It is a folder, or no regular file, or may not be read.
        """
        most = self._limits.read_max_bytes if max_bytes is None else max_bytes
        if not 0 <= offset <= OFFSET_MAX:
            raise ValidationFailed("offset", "must not be negative")
        if not 0 <= most <= self._limits.read_max_bytes:
            raise ValidationFailed(
                "max_bytes", f"must be 0-{self._limits.read_max_bytes}", limit=self._limits.read_max_bytes
            )
        async with self._request("file.read", container, path, caller) as (channel, where, _):
            stat, data, eof, changed = await filecalls.read(channel, where, offset=offset, max_bytes=most)
        info = info_of(where, stat)
        if changed:
            raise FileConflict(
                f"{str(info.path)!r} was changed while it was read",
                hint="read it again",
                details={"path": str(info.path), "etag": ""},
            )
        more = not eof and offset + len(data) < info.size_bytes
        return FileContent(info=info, data=data, offset=offset, truncated=more)

    async def write(
        self,
        container: str,
        path: Path,
        data: bytes,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        mode: int | None = None,
        parents: bool = False,
        caller: Caller = LOCAL,
    ) -> FileWritten:
        """Write a whole file: readers see the old content or the new, never a part.

        Args:
            container: Where.
            path: Which file; a final link is followed.
            data: The whole new content, at most ``files.write_max_bytes``.
            if_match: Only if the file's etag is this; of many writers with one etag one wins.
            if_none_match: Only if nothing is there yet.
            mode: Permission bits; None keeps an existing file's, else 0644.
            parents: Make missing folders.
            caller: Who asks.

        Raises:
            FileConflict: The condition does not hold; ``details["etag"]`` is the current etag, "" for none.
            FileMissing: A folder on the way is not there.
            TooLarge: The content is over the limit; nothing was changed.
        """
        if len(data) > self._limits.write_max_bytes:
            raise TooLarge(
                f"the content is {len(data)} bytes, at most {self._limits.write_max_bytes} are allowed",
                hint="raise files.write_max_bytes, or write it in parts",
                details={"limit": self._limits.write_max_bytes, "setting": "files.write_max_bytes"},
            )
        if mode is not None and not 0 <= mode <= MODE_MAX:
            raise ValidationFailed("mode", "must be 0-0o7777", limit=MODE_MAX)
        flags = WriteFlag.PARENTS if parents else WriteFlag(0)
        if if_match is not None:
            flags |= WriteFlag.IF_MATCH
        if if_none_match:
            flags |= WriteFlag.CREATE_ONLY
        etag = _etag(if_match, exclusive=if_none_match)
        async with self._request("file.write", container, path, caller) as (channel, where, found):
            try:
                written = await filecalls.write(channel, where, data, flags=flags, mode=mode, if_match=etag)
            except FileRefused as error:
                raise _condition_failed(
                    error, where, conditional=if_match is not None, new=if_none_match
                ) from error
        info = info_of(where, written.stat)
        fields: dict[str, object] = {"path": str(info.path), "size_bytes": info.size_bytes}
        self._tell("file.written", caller, found, fields | {"created": written.created})
        return FileWritten(info=info, created=written.created)

    async def list(
        self,
        container: str,
        path: Path = ".",
        *,
        after: str = "",
        limit: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileListing:
        """List a folder by rising names (in the order of their bytes).

        Args:
            container: Where.
            path: Which folder.
            after: The cursor of the last page, "" for the first.
            limit: The most entries, at most ``files.list_max_entries``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileFailed: It is no folder.
        """
        most = min(1000, self._limits.list_max_entries)
        size = most if limit is None else limit
        if not 1 <= size <= most:
            raise ValidationFailed("limit", f"must be 1-{most}", limit=most)
        if "\0" in after or "/" in after:
            raise ValidationFailed("after", "is no cursor of a listing")
        async with self._request("file.list", container, path, caller) as (channel, where, _):
            entries, more = await filecalls.list_dir(channel, where, after=os.fsencode(after), limit=size)
        prefix = where + b"/" if where else b""
        infos = tuple(info_of(prefix + entry.name, entry.stat) for entry in entries)
        return FileListing(entries=infos, cursor=os.fsdecode(entries[-1].name) if more and entries else "")

    async def stat(self, container: str, path: Path, *, caller: Caller = LOCAL) -> FileInfo:
        """Describe what is at a path; a final link is described itself.

        Raises:
            FileMissing: Nothing is there.
        """
        async with self._request("file.stat", container, path, caller) as (channel, where, _):
            return info_of(where, await filecalls.stat(channel, where))

    async def delete(
        self,
        container: str,
        path: Path,
        *,
        recursive: bool = False,
        if_match: str | None = None,
        caller: Caller = LOCAL,
    ) -> None:
        """Delete a file, a link (not what it points to), or a folder.

        Args:
            container: Where.
            path: What.
            recursive: Also a folder with something in it.
            if_match: Only if the file's etag is this.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: The file has another etag.
            FileFailed: ``not_empty``, or it is the workspace itself.
        """
        etag = _etag(if_match, exclusive=False)
        async with self._request("file.delete", container, path, caller) as (channel, where, found):
            await filecalls.delete(channel, where, recursive=recursive, if_match=etag)
        self._tell("file.deleted", caller, found, {"path": str(absolute_path(where)), "recursive": recursive})

    async def mkdir(
        self, container: str, path: Path, *, parents: bool = False, caller: Caller = LOCAL
    ) -> FileInfo:
        """Make a folder. With ``parents`` also missing ones above, and one that is there already is fine.

        Raises:
            FileMissing: A folder above is not there.
            FileFailed: ``exists``.
        """
        async with self._request("file.mkdir", container, path, caller) as (channel, where, found):
            made = await filecalls.make_dir(channel, where, parents=parents, exist_ok=parents)
        info = info_of(where, made.stat)
        if made.created:
            self._tell("file.written", caller, found, {"path": str(info.path), "type": "directory"})
        return info

    @asynccontextmanager
    async def _request(
        self, operation: str, container: str, path: Path, caller: Caller
    ) -> AsyncGenerator[tuple[AgentChannel, bytes, Container]]:
        """Validate, resolve, review, and translate what the agent says in the block."""
        where = relative_path(path, self._limits)
        found = await self._context.resolve(container, caller)
        request = Request(
            operation=operation, caller=caller, container_id=found.id, subject=str(absolute_path(where))
        )
        veto = self._context.review(request)
        if veto is not None:
            raise Vetoed(
                f"{operation} was refused by {veto.clause}: {veto.reason}", details={"clause": veto.clause}
            )
        seconds = self._limits.operation_timeout_s
        async with bound(
            seconds, "files.operation_timeout_s", f"{operation} of {str(absolute_path(where))!r}"
        ):
            channel = await (await self._context.link(found)).channel()
            try:
                yield channel, where, found
            except (FileRefused, RequestRefused) as error:
                raise error_of(error, where) from error

    def _tell(self, name: str, caller: Caller, container: Container, fields: dict[str, object]) -> None:
        event = Event(
            name=name, at=self._context.clock.now(), caller=caller, container_id=container.id, fields=fields
        )
        self._context.emit(event)


def _etag(if_match: str | None, *, exclusive: bool) -> str:
    if if_match is None:
        return ""
    if exclusive:
        raise ValidationFailed("if_match", "contradicts if_none_match")
    if not 0 < len(if_match) <= ETAG_MAX or not if_match.isascii() or not if_match.isprintable():
        raise ValidationFailed("if_match", "is no etag", hint="etags come from read, stat, list and write")
    return if_match


def _condition_failed(error: FileRefused, where: bytes, *, conditional: bool, new: bool) -> Exception:
    """A condition that fails is a conflict, whichever way the agent puts it."""
    translated = error_of(error, where)
    missing = conditional and translated.code == "file_not_found"
    exists = new and isinstance(translated, FileFailed) and translated.details.get("reason") == "exists"
    if not missing and not exists:
        return translated
    name = str(absolute_path(where))
    text = f"{name!r} is not there any more" if missing else f"{name!r} exists already"
    return FileConflict(
        text,
        hint="read it again and repeat the change on what is there now",
        details={"path": name, "etag": error.reply.etag},
    )
