"""Edits: read, change here, and write back only over what was read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from devbench_core.channel import filecalls
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.file_messages import Stat, WriteFlag, Written
from devbench_core.channel.replies import FileRefused
from devbench_core.errors import FileConflict, TextInvalid, TooLarge, ValidationFailed
from devbench_core.files.conditions import checked_etag, condition_failed
from devbench_core.files.encodings import SIGNED, Encoding, encoding_of, invalid
from devbench_core.files.misfits import Misfit
from devbench_core.files.operations import Operations
from devbench_core.files.patches import apply, parse
from devbench_core.files.paths import Path, absolute_path
from devbench_core.files.replacing import replace_all
from devbench_core.files.translate import info_of
from devbench_core.model.batch import BatchEdit, BatchWrite
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.filechange import EditedPlace, FileEdited, Replacement
from devbench_core.values import frozen

PLACES_TOLD = 100
BIG_MARKS = (b"\xfe\xff", b"\0\0\xfe\xff")
Change = Callable[[str], tuple[str, list[EditedPlace]]]


class Editing(Operations):
    """Edit."""

    async def edit(
        self,
        container: str,
        path: Path,
        *,
        replacements: Sequence[Replacement] = (),
        diff: str | None = None,
        encoding: str = "utf-8",
        if_match: str | None = None,
        durable: bool = False,
        caller: Caller = LOCAL,
    ) -> FileEdited:
        """Change parts of a file: all that is asked for, or nothing.

        The file is written as by `write`, and only over what was read. When it changed in between, the edit is tried
        anew on what is there now, up to ``files.edit_attempts`` times. Bytes that are no UTF-8 survive elsewhere in the
        file, and so do line ends and a missing last one; nothing is normalised.

        Args:
            container: Where.
            path: Which file; links are followed.
            replacements: In this order, each looked for in what those before it left.
            diff: Or a unified diff of this one file. A hunk belongs at the line that its header says; where it is not
                there, and in exactly one place behind the hunk before it, it applies there and the result says so.
            encoding: Of the file. In others than UTF-8 the whole file must be text.
            if_match: Only if the file's etag is this; then it is tried once.
            durable: Return only when it is on disk.
            caller: Who asks.

        Raises:
            EditFailed: It does not fit; tells which part, and what is there instead.
            FileConflict: The file has another etag, or never rested.
            FileMissing: Nothing is there.
            TextInvalid: The file is no text in the encoding.
            TooLarge: It is over ``files.edit_max_bytes``, or would be over ``files.write_max_bytes``.
        """
        change = self._change(replacements, diff)
        codec = encoding_of(encoding)
        etag = checked_etag(if_match)
        attempts = 1 if if_match is not None else self._limits.edit_attempts
        async with self._request("file.edit", container, path, caller) as (channel, where, found):
            edit = _Edit(channel=channel, where=where, change=change, codec=codec, durable=durable)
            done = await self._tried(edit, etag, attempts)
        fields: dict[str, object] = {"path": str(done.info.path), "size_bytes": done.info.size_bytes}
        self._tell("file.written", caller, found, fields | {"created": False})
        return done

    async def _edited(self, container: str, given: BatchEdit, caller: Caller) -> BatchWrite:
        """Return the write that an edit comes to, which holds only over what was read. Raises as `edit`."""
        change, codec = self._change(given.replacements, given.diff), encoding_of(given.encoding)
        etag = checked_etag(given.if_match)
        async with self._request("file.edit", container, given.path, caller) as (channel, where, _):
            edit = _Edit(channel=channel, where=where, change=change, codec=codec, durable=False)
            for _attempt in range(self._limits.edit_attempts):
                stat, data, changed = await self._read(edit)
                if etag and stat.etag != etag:
                    raise _stale(where, stat.etag)
                if not changed:
                    new, _places = await asyncio.to_thread(edit.applied, data, stat.etag)
                    return BatchWrite(path=given.path, data=new, if_match=stat.etag)
        raise self._restless(where, self._limits.edit_attempts)

    def _change(self, replacements: Sequence[Replacement], diff: str | None) -> Change:
        most = self._limits.edit_max_changes
        if (diff is None) == (not replacements):
            raise ValidationFailed("replacements", "or diff must be given, and not both")
        if diff is not None:
            _encodable("diff", diff)
            hunks = parse(diff, most)
            return lambda text: apply(text, hunks)
        if len(replacements) > most:
            raise ValidationFailed("replacements", f"are {len(replacements)}, at most {most}", limit=most)
        for index, one in enumerate(replacements):
            _check(f"replacements.{index}", one)
        return lambda text: replace_all(text, replacements)

    async def _tried(self, edit: _Edit, etag: str, attempts: int) -> FileEdited:
        for attempt in range(1, attempts + 1):
            stat, data, changed = await self._read(edit)
            if etag and stat.etag != etag:
                raise _stale(edit.where, stat.etag)
            if changed:
                continue
            new, places = await asyncio.to_thread(edit.applied, data, stat.etag)
            written = await self._written(edit, new, stat.etag, last=attempt == attempts)
            if written is not None:
                return FileEdited(
                    info=info_of(edit.where, written.stat),
                    before=stat.etag,
                    places=tuple(places[:PLACES_TOLD]),
                    changes=len(places),
                    attempts=attempt,
                )
        raise self._restless(edit.where, attempts)

    def _restless(self, where: bytes, attempts: int) -> FileConflict:
        name = str(absolute_path(where))
        return FileConflict(
            f"{name!r} changed each of the {attempts} times that the edit was tried",
            hint="try again, or raise files.edit_attempts",
            details={"path": name, "etag": "", "limit": attempts, "setting": "files.edit_attempts"},
        )

    async def _read(self, edit: _Edit) -> tuple[Stat, bytes, bool]:
        most = self._limits.edit_max_bytes
        stat, data, _, changed = await filecalls.read(edit.channel, edit.where, offset=0, max_bytes=most + 1)
        if len(data) > most:
            raise _too_large(edit.where, len(data), "files.edit_max_bytes", most)
        return stat, data, changed

    async def _written(self, edit: _Edit, new: bytes, etag: str, *, last: bool) -> Written | None:
        """Write it back; None when the file changed meanwhile and it may be tried again."""
        if len(new) > self._limits.write_max_bytes:
            raise _too_large(edit.where, len(new), "files.write_max_bytes", self._limits.write_max_bytes)
        flags = WriteFlag.IF_MATCH | (WriteFlag.FSYNC if edit.durable else 0)
        try:
            return await filecalls.write(edit.channel, edit.where, new, flags=flags, mode=None, if_match=etag)
        except FileRefused as error:
            translated = condition_failed(error, edit.where, conditional=True, new=False)
            if isinstance(translated, FileConflict) and not last:
                return None
            raise translated from error


@frozen
class _Edit:
    """One edit of one file."""

    channel: AgentChannel
    where: bytes
    change: Change
    codec: Encoding
    durable: bool

    def applied(self, data: bytes, etag: str) -> tuple[bytes, list[EditedPlace]]:
        """Return the new content; runs beside the event loop."""
        name = str(absolute_path(self.where))
        codec, errors = self._way(data)
        try:
            text = data.decode(codec, errors)
        except UnicodeDecodeError as error:
            raise invalid(error, name, 0) from error
        if text.encode(codec, errors) != data:
            raise TextInvalid(
                f"{name!r} holds {codec} text that would not be written back as it is",
                hint="replace the whole file with fs_write",
                details={"path": name, "encoding": codec},
            )
        try:
            new, places = self.change(text)
            return new.encode(codec, errors), places
        except Misfit as misfit:
            raise misfit.as_error(name, etag) from misfit
        except UnicodeEncodeError as error:
            raise ValidationFailed(
                "encoding",
                f"{codec} has no {error.object[error.start]!r}",
                hint="use another text or encoding",
            ) from error

    def _way(self, data: bytes) -> tuple[str, str]:
        if self.codec.name in {"utf-8", "utf-8-sig", "ascii"}:
            return "utf-8", "surrogateescape"
        if self.codec.name in SIGNED:
            big = data.startswith(BIG_MARKS)
            return f"{self.codec.name}-{'be' if big else 'le'}", "strict"
        return self.codec.name, "strict"


def _stale(where: bytes, etag: str) -> FileConflict:
    name = str(absolute_path(where))
    return FileConflict(
        f"{name!r} changed since it was read",
        hint="read it again and repeat the change on what is there now",
        details={"path": name, "etag": etag},
    )


def _check(field: str, one: Replacement) -> None:
    if not one.old:
        raise ValidationFailed(f"{field}.old", "is empty", hint="give the text before or after the place too")
    if one.old == one.new:
        raise ValidationFailed(f"{field}.new", "is the same as old")
    if one.count is not None and one.count < 1:
        raise ValidationFailed(f"{field}.count", "must be at least 1", limit=1)
    _encodable(f"{field}.old", one.old)
    _encodable(f"{field}.new", one.new)


def _encodable(field: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValidationFailed(field, "holds half of a surrogate pair") from error


def _too_large(where: bytes, size: int, setting: str, most: int) -> TooLarge:
    name = str(absolute_path(where))
    return TooLarge(
        f"{name!r} is {size} bytes or more, at most {most} are allowed",
        hint=f"raise {setting}, or edit it by a command in the container",
        details={"path": name, "limit": most, "setting": setting},
    )
