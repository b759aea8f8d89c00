"""Which file the database is, and making it private before anything is written into it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from devbench_core.errors import ConfigurationInvalid
from devbench_store_sql.failures import StoreUnusable
from devbench_store_sql.settings import SqlSettings

FILE_NAME = "devbench.db"
FILE_MODE = 0o600
FOLDER_MODE = 0o700
URL = re.compile(
    r"(?P<driver>[\w+]+)://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?]+\]|[^:/?]+)?(?::[^/?]*)?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
"""SQLAlchemy's form of an address, which its own parser would take a seventh of a second to be imported for."""
EXAMPLE = "for example sqlite+aiosqlite:////var/lib/devbench/devbench.db"


def file_of(settings: SqlSettings, state_dir: Path) -> Path:
    """Return the path of the database.

    Raises:
        ConfigurationInvalid: The URL is none, or not that of an SQLite file.
    """
    if settings.url is None:
        return state_dir / FILE_NAME
    url = URL.fullmatch(settings.url.get_secret_value())
    if url is None:
        raise ConfigurationInvalid("plugin.sql.url is no SQLAlchemy URL", hint=EXAMPLE)
    if url["driver"] not in {"sqlite", "sqlite+aiosqlite"}:
        raise ConfigurationInvalid(
            f"plugin.sql.url: {url['driver']!r} is not supported, only sqlite+aiosqlite and postgresql+asyncpg are",
            hint=EXAMPLE,
        )
    database = unquote(url["database"] or "")  # as SQLAlchemy does
    if not database or database.startswith((":memory:", "file:")) or "\0" in database or url["query"]:
        raise ConfigurationInvalid("plugin.sql.url must be the plain path of a file", hint=EXAMPLE)
    return Path(database)


def prepare(path: Path) -> None:
    """Make the folder and a private, empty file when they are absent; tighten the rights of a file of ours.

    Raises:
        StoreUnusable: This user may not write it.
        OSError: The folder or the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    if not path.exists():
        path.touch(mode=FILE_MODE, exist_ok=True)  # another process may be making it too
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        raise StoreUnusable(
            f"store {str(path)!r}: the database is read-only",
            hint="give this user the right to write the file and its folder",
        )
    with suppress(PermissionError):  # the file of somebody else, who let us write it
        if path.stat().st_mode & 0o077:
            path.chmod(FILE_MODE)
