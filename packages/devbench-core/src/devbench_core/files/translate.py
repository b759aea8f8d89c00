"""What the agent says of files, in devbench's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from errno import ENAMETOOLONG

from devbench_core.channel.codes import Refusal
from devbench_core.channel.faults import quote
from devbench_core.channel.file_messages import FileFault, NodeType, Stat
from devbench_core.channel.replies import FileRefused, RequestRefused
from devbench_core.errors import (
    AgentUnavailable,
    DevbenchError,
    FileConflict,
    FileFailed,
    FileMissing,
    TooLarge,
)
from devbench_core.files.paths import absolute_path, name_text, outside
from devbench_core.model.file import FileInfo, FileType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FURTHEST_US = (
    8_000_000_000_000_000  # 250 years on either side of 1970; what a file claims beyond is cut to it
)
PERMISSIONS = 0o7777
NO_STAGING = "the root itself may not be written"
"""What an agent says of a root that has no place for a batch."""
TYPES = {
    NodeType.FILE: FileType.FILE,
    NodeType.DIRECTORY: FileType.DIRECTORY,
    NodeType.LINK: FileType.SYMLINK,
    NodeType.OTHER: FileType.OTHER,
}
REASONS = {
    FileFault.IS_DIRECTORY: ("is_directory", "is a folder"),
    FileFault.NOT_DIRECTORY: ("not_directory", "a part of it is not a folder"),
    FileFault.EXISTS: ("exists", "exists already"),
    FileFault.PERMISSION: ("permission_denied", "the container's user may not do this"),
    FileFault.NO_SPACE: ("no_space", "there is no space left for it"),
    FileFault.READ_ONLY: ("read_only", "its file system is read-only"),
    FileFault.LOOP: ("loop", "has too many symbolic links"),
    FileFault.INVALID: ("invalid", "the agent refuses this"),
    FileFault.NOT_EMPTY: ("not_empty", "is a folder with something in it"),
    FileFault.IO: ("io", "the container's file system failed"),
    FileFault.NOT_A_FILE: ("invalid", "is a pipe, a device or a socket"),
    FileFault.INTO_ITSELF: ("into_itself", "lies within what is moved or copied, or is the same file"),
    FileFault.OTHER_DEVICE: ("other_file_system", "is on another file system"),
    FileFault.NO_ROOT: ("no_root", "its root cannot be used"),
    FileFault.NO_WORKSPACE: ("io", "the container has no workspace"),
    FileFault.LIMIT: ("limit", "as many are in use as the agent or the kernel allows"),
}


def info_of(path: bytes, stat: Stat) -> FileInfo:
    """Return what stat tells; nothing of it is trusted further than its range."""
    micros = max(-FURTHEST_US, min(FURTHEST_US, stat.mtime_ns // 1000))
    return FileInfo(
        path=absolute_path(path),
        type=TYPES[stat.type],
        size_bytes=stat.size,
        mode=stat.mode & PERMISSIONS,
        modified_at=EPOCH + timedelta(microseconds=micros),
        uid=stat.uid,
        gid=stat.gid,
        etag=stat.etag,
        target=name_text(stat.target),
    )


def error_of(error: FileRefused | RequestRefused, path: bytes) -> DevbenchError:
    """Return the error that a caller sees."""
    return refusal_of(error) if isinstance(error, RequestRefused) else _failure(error, path)


def _failure(error: FileRefused, path: bytes) -> DevbenchError:
    reply = error.reply
    name = str(absolute_path(path))
    details: dict[str, object] = {"path": name}
    match reply.code:
        case FileFault.NOT_FOUND:
            return FileMissing(f"nothing is at {name!r}", hint="fs_list shows what is there", details=details)
        case FileFault.CONFLICT:
            etag = quote(reply.etag)
            return FileConflict(
                f"{name!r} changed since it was read" if etag else f"{name!r} is not there any more",
                hint="read it again and repeat the change on what is there now",
                details={**details, "etag": etag},
            )
        case FileFault.OUTSIDE:
            return outside(name, of="its root" if path.startswith(b"/") else "the workspace")
        case FileFault.TOO_LARGE:
            return TooLarge(f"{name!r} is too large for the container's file system", details=details)
        case FileFault.BUSY | FileFault.ABORTED:
            return AgentUnavailable(f"the agent is too busy for {name!r}", hint="try again", details=details)
        case _:
            reason, text = REASONS[reply.code]
            if reply.code is FileFault.INVALID:
                text = (
                    "with what its links add it is too long"
                    if reply.errno == ENAMETOOLONG
                    else f"{text}: {quote(reply.message)}"
                )
            if reply.code is FileFault.PERMISSION and reply.message == NO_STAGING:
                text = "a batch puts its contents into its root, which the container's user may not write"
            return FileFailed(
                f"{name!r}: {text}", details={**details, "reason": reason, "errno": reply.errno}
            )


def refusal_of(error: RequestRefused) -> DevbenchError:
    """Return the error for a request that the agent would not take."""
    code = error.reply.code
    hint = "the container is being ended" if code is Refusal.SHUTTING_DOWN else "try again"
    return AgentUnavailable(f"the agent refused: {code.name.lower().replace('_', ' ')}", hint=hint)
