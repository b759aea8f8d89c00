"""What bwrap answered, kept in the cache folder: a short command need not start it three times to ask again.

It is believed while nothing that could change it has changed: the file, the user, the start of the kernel, the
kernel's switches for namespaces; and not for longer than ``probe_kept_s``, since that list may not be whole.
What failed is never kept.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devbench_core.logs import get_logger
from devbench_runtime_bubblewrap.folders import write_whole
from devbench_runtime_bubblewrap.identity import HostUser
from devbench_runtime_bubblewrap.program import Program, find_program

FILE = "bwrap.json"
MAX_BYTES = 64 * 1024
KERNEL = (
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "/proc/sys/user/max_user_namespaces",
)
log = get_logger(__name__)


def recall(cache: Path, name: str, user: HostUser, kept_s: float) -> Program | None:
    """Return what this program answered a while ago, None when it must be asked; blocking."""
    path = find_program(name)
    if path is None or kept_s <= 0:
        return None
    try:
        with (cache / FILE).open("rb") as file:
            kept = json.loads(file.read(MAX_BYTES))
        if kept["of"] != _of(path, user) or not 0 <= time.time() - kept["at"] <= kept_s:
            return None
        return _program(path, kept)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.info("bubblewrap.asked_again", file=str(cache / FILE), error=str(error))
        return None


def remember(cache: Path, program: Program, user: HostUser) -> None:
    """Keep what a program answered; blocking."""
    try:
        kept = {
            "of": _of(program.path, user),
            "at": time.time(),
            "version": program.version,
            "options": sorted(program.options),
            "setuid": program.setuid,
        }
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(cache / FILE, json.dumps(kept).encode())
    except OSError as error:  # the next start asks again
        log.info("bubblewrap.not_remembered", file=str(cache / FILE), error=str(error))


def _of(path: Path, user: HostUser) -> list[Any]:
    """Return all that may not change while an answer is believed, as JSON gives it back."""
    seen = path.stat()
    file = [seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_mode]
    return [str(path), *file, user.uid, user.gid, user.switch, os.geteuid(), [_text(name) for name in KERNEL]]


def _text(name: str) -> str | None:
    try:
        return Path(name).read_text(encoding="ascii")
    except OSError:  # this kernel has no such switch
        return None


def _program(path: Path, kept: Mapping[str, Any]) -> Program:
    return Program(
        path=path,
        version=tuple(int(part) for part in kept["version"]),
        options=frozenset(str(option) for option in kept["options"]),
        setuid=bool(kept["setuid"]),
    )
