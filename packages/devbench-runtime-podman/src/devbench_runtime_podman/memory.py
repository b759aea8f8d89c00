"""Whether a container was killed for its memory.

Podman 4 looks for the mark of it in another folder than its monitor writes it to, so it never tells. The kernel's log
does, with the whole id of the container, where this process may read it.
"""

from __future__ import annotations

import os
from pathlib import Path

KERNEL_LOG = Path("/dev/kmsg")
RECORD_MAX_BYTES = 8192  # the kernel's own bound
RECORDS_MAX = 100_000


def killed_for_memory(container: str, log: Path = KERNEL_LOG) -> bool:
    """Tell whether the kernel says so of a container; False where it cannot be asked. Blocks for milliseconds.

    Args:
        container: Its whole id.
        log: The kernel's log.
    """
    try:
        file = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return any(_tells(_record(file), container) for _ in range(RECORDS_MAX))
    except (BlockingIOError, EOFError):  # that was the last one
        return False
    finally:
        os.close(file)


def _record(file: int) -> bytes:
    try:
        record = os.read(file, RECORD_MAX_BYTES)
    except BrokenPipeError:  # it was overwritten just now; the next one is there
        return b"\n"
    if not record:
        raise EOFError
    return record


def _tells(record: bytes, container: str) -> bool:
    _, found, group = record.partition(b"task_memcg=")
    return bool(found) and b"oom-kill:" in record and container.encode() in group.partition(b",")[0]
