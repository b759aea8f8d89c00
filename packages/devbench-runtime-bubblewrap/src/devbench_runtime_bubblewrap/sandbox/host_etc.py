"""The /etc of the image ``host``: a copy of what programs need and everybody may know, and a few files of our own.

A copy, because thirty single mounts would double the time that a container takes to start.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from devbench_runtime_bubblewrap.deletion import discard
from devbench_runtime_bubblewrap.folders import Folders
from devbench_runtime_bubblewrap.images.entries import Entry, Kind, folder_entries, single_entry
from devbench_runtime_bubblewrap.images.extract import Extractor
from devbench_runtime_bubblewrap.sandbox.etc_files import own_files

SHOWN = (
    "alternatives", "bash.bashrc", "ca-certificates", "crypto-policies", "debian_version", "fonts", "gai.conf",
    "host.conf", "inputrc", "java-*", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime",
    "lsb-release", "magic", "magic.mime", "mime.types", "os-release", "perl", "pki/ca-trust/extracted",
    "pki/tls/certs", "protocols", "python3*", "rpc", "services", "shells", "ssl/certs", "ssl/openssl.cnf",
    "terminfo", "timezone",
)  # fmt: skip
"""Patterns of pathlib, beneath /etc."""

MAX_BYTES = 256 * 1024 * 1024
MAX_ENTRIES = 100_000


def provide_etc(folders: Folders, source: Path = Path("/etc")) -> Path:
    """Return the copy that belongs to the present /etc, made when there is none yet; blocking."""
    shown = sorted({path for pattern in SHOWN for path in source.glob(pattern)})
    home = folders.etc / _fingerprint(shown)
    if home.is_dir():
        return home
    new = folders.incoming / f"etc.{secrets.token_hex(6)}"
    new.mkdir()
    try:
        Extractor(new, max_bytes=MAX_BYTES, max_entries=MAX_ENTRIES).run(_entries(source, shown))
        for name, data in own_files().items():
            (new / name).write_bytes(data)
            (new / name).chmod(0o644)
        new.chmod(0o755)
        _move(new, home)
    finally:
        discard(new, folders.trash)
    return home


def _move(new: Path, home: Path) -> None:
    try:
        new.rename(home)
    except OSError:
        if not home.is_dir():
            raise  # else another host was first


def sweep_etc(folders: Folders, present: Path) -> None:
    """Remove copies of an earlier /etc; only where no container can have them mounted. Blocking."""
    for home in folders.etc.iterdir():
        if home != present:
            discard(home, folders.trash)


def _fingerprint(shown: Iterable[Path]) -> str:
    """Tell one state of /etc from another by what lstat says of everything that is shown."""
    digest = hashlib.sha256(repr(sorted(own_files().items())).encode())
    for path in shown:
        for found in (path, *sorted(path.rglob("*"))):
            info = found.lstat()
            digest.update(
                f"{found}\0{info.st_mode}\0{info.st_size}\0{info.st_mtime_ns}\0".encode(errors="replace")
            )
    return digest.hexdigest()[:32]


def _entries(source: Path, shown: Iterable[Path]) -> Iterator[Entry]:
    for path in shown:
        entry = single_entry(path, path.relative_to(source).parts)
        if entry is None or not os.access(path, os.R_OK):
            continue
        yield entry
        if entry.kind is Kind.FOLDER:
            for inner in folder_entries(path, skip_unreadable=True):
                yield attrs.evolve(inner, parts=(*entry.parts, *inner.parts))
