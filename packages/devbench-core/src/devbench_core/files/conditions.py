"""The conditions of a change: etags that must match, and what it means when they do not."""

from __future__ import annotations

from devbench_core.channel.replies import FileRefused
from devbench_core.errors import DevbenchError, FileConflict, FileFailed, ValidationFailed
from devbench_core.files.paths import absolute_path
from devbench_core.files.translate import error_of

ETAG_MAX = 64
MODE_MAX = 0o7777


def checked_mode(field: str, mode: int | None) -> None:
    """Check permission bits.

    Raises:
        ValidationFailed: They are none; names the field.
    """
    if mode is not None and not 0 <= mode <= MODE_MAX:
        raise ValidationFailed(field, "must be 0-0o7777", limit=MODE_MAX)


def checked_etag(if_match: str | None, *, exclusive: bool = False) -> str:
    """Return the etag that must match, "" for none.

    Raises:
        ValidationFailed: It is no etag, or contradicts an exclusive creation.
    """
    if if_match is None:
        return ""
    if exclusive:
        raise ValidationFailed("if_match", "contradicts if_none_match")
    if not 0 < len(if_match) <= ETAG_MAX or not if_match.isascii() or not if_match.isprintable():
        raise ValidationFailed("if_match", "is no etag", hint="etags come from read, stat, list and write")
    return if_match


def condition_failed(error: FileRefused, where: bytes, *, conditional: bool, new: bool) -> DevbenchError:
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
