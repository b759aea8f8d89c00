"""What bwrap reports of a container: JSON documents in a file, kept also when nobody of us lives to read a pipe.

The file's lock belongs to the open file that bwrap inherited: it is held exactly as long as that bwrap lives, whoever
else dies, and no reuse of process numbers can feign it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from devbench_core.values import frozen

REPORT_BYTES = 64 * 1024
ROOM_BYTES = 4096
"""More than bwrap says of one container."""


@frozen
class Report:
    """What bwrap has said so far.

    Attributes:
        pid: PID 1 of the container by its number on this machine, None before it exists.
        exit_code: Its exit code, 128 and the number for a signal, None before.
        written_at: When bwrap last said something, UTC.
    """

    pid: int | None = None
    exit_code: int | None = None
    written_at: datetime | None = None


def read_report(path: Path) -> Report:
    """Read a report; an absent one says nothing. Blocking."""
    try:
        with path.open("rb") as file:
            text = file.read(REPORT_BYTES)
            written_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except (FileNotFoundError, NotADirectoryError):
        return Report()
    said = {key: value for document in _documents(text) for key, value in document.items()}
    return Report(pid=said.get("child-pid"), exit_code=said.get("exit-code"), written_at=written_at)


def _documents(text: bytes) -> Iterator[dict[str, int]]:
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue  # still being written, or the room that is left
        if isinstance(document, dict):
            yield document


@contextmanager
def locked(path: Path) -> Generator[int | None]:
    """Give the report's file, emptied and locked, for a bwrap to inherit; None when a bwrap has it. Blocking.

    Its room is taken beforehand, so that a full disk is seen before a bwrap is there that cannot report.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _lock(descriptor):
            yield None
            return
        os.ftruncate(descriptor, 0)
        if os.pwrite(descriptor, bytes(ROOM_BYTES), 0) < ROOM_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        yield descriptor
    finally:
        os.close(descriptor)


def bwrap_lives(path: Path) -> bool:
    """Tell whether a bwrap is behind this report. Blocking."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
