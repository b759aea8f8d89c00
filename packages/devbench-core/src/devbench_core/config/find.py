"""Where the configuration file is looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from devbench_core.errors import ConfigurationInvalid

FILE_NAME = "devbench.toml"
VARIABLE = "DEVBENCH_CONFIG"


def candidates(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the places that are looked into when none is named, first one first."""
    user = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    system = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return (
        Path(FILE_NAME),
        Path(user) / "devbench" / FILE_NAME,
        *(Path(folder) / "devbench" / FILE_NAME for folder in system.split(os.pathsep) if folder),
        Path("/etc/devbench") / FILE_NAME,
    )


def find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read, or None when there is none.

    Args:
        path: As named on a command line; wins over ``DEVBENCH_CONFIG``.
        environ: The variables.

    Raises:
        ConfigurationInvalid: A file that was named does not exist.
    """
    named = path or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is None:
        found = next((place for place in candidates(environ) if _is_file(place)), None)
        return found.absolute() if found else None
    if not named.is_file():
        source = "--config" if path else VARIABLE
        raise ConfigurationInvalid(f"configuration file {str(named)!r} (from {source}) does not exist")
    return named


def _is_file(place: Path) -> bool:
    """Tell whether a file is there that this user may reach; a folder that may not be searched has none."""
    try:
        return place.is_file()
    except PermissionError:
        return False
