"""Errors of operations with two paths, and of those on whole trees."""

from __future__ import annotations

import attrs

from devbench_core.channel.change_messages import ENTRY_NAMED, SECOND_PATH
from devbench_core.channel.faults import quote
from devbench_core.channel.file_messages import FileFault
from devbench_core.channel.replies import FileRefused
from devbench_core.errors import DevbenchError, FileConflict, TooLarge
from devbench_core.files.conditions import condition_failed
from devbench_core.files.paths import absolute_path
from devbench_core.files.settings import FileLimits
from devbench_core.files.translate import error_of

AGENT_DEPTH = 64


def pair_failed(
    error: FileRefused, where: bytes, to: bytes, limits: FileLimits, *, conditional: bool, new: bool
) -> DevbenchError:
    """Return the error that a caller sees, about the path that it is about.

    Args:
        error: What the agent said.
        where: The first path.
        to: The second.
        limits: What the agent was told.
        conditional: Whether the target had to have an etag.
        new: Whether the target had to be absent.
    """
    if not error.reply.errno & SECOND_PATH:
        return tree_failed(error, where, limits)
    reply = attrs.evolve(error.reply, errno=error.reply.errno & ~SECOND_PATH)
    translated = condition_failed(FileRefused(reply), to, conditional=conditional, new=new)
    if isinstance(translated, FileConflict) and not new:
        translated.details["which"] = "target"
    return translated


def tree_failed(error: FileRefused, where: bytes, limits: FileLimits) -> DevbenchError:
    """Return the error of a request on a tree: limits by their setting's name, and the entry that failed."""
    reply = error.reply
    name = str(absolute_path(where))
    if reply.code is FileFault.TOO_LARGE:
        return _over_limit(reply.message, name, limits)
    plain = FileRefused(attrs.evolve(reply, errno=reply.errno & ~ENTRY_NAMED))
    translated = error_of(plain, where)
    if reply.errno & ENTRY_NAMED:
        entry = quote(reply.message)
        translated.message += f" (at {entry!r} in it)"
        translated.details["entry"] = entry
    return translated


def _over_limit(message: str, name: str, limits: FileLimits) -> TooLarge:
    setting, most = {
        "entries": ("files.tree_max_entries", limits.tree_max_entries),
        "bytes": ("files.copy_max_bytes", limits.copy_max_bytes),
    }.get(message, ("", AGENT_DEPTH))
    if not setting:
        return TooLarge(
            f"{name!r} has folders deeper than {AGENT_DEPTH} levels, or is too large for the file system",
            hint="do it by a command in the container",
            details={"path": name, "limit": AGENT_DEPTH},
        )
    return TooLarge(
        f"{name!r} has more than {most} {message}",
        hint=f"raise {setting}, or do it in parts",
        details={"path": name, "limit": most, "setting": setting},
    )
