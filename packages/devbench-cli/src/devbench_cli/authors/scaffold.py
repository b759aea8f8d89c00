"""Makes the package of a new plugin: it builds, is found and composes; what is missing its tests tell."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from devbench_core.compose.discovery import KNOWN_DISTRIBUTIONS
from devbench_core.errors import Conflict, ValidationFailed

NAME_MAX = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEMPLATE = ".tmpl"


KINDS = ("tool", "store", "lock", "scanner", "runtime")
"""What can be made, in the order of help texts."""


def make(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the package into a new folder; return its files.

    Args:
        kind: One of `KINDS`.
        name: What configurations will call the plugin.
        folder: Where; must not exist, or be empty.

    Raises:
        ValidationFailed: The name or the kind cannot be used.
        Conflict: Something is in the folder.
    """
    if kind not in KINDS:
        raise ValidationFailed("kind", f"must be one of {', '.join(KINDS)}")
    if not _NAME.fullmatch(name) or len(name) > NAME_MAX or keyword.iskeyword(name):
        raise ValidationFailed(
            "name",
            f"must be lower-case words of letters and digits, joined by '-', at most {NAME_MAX} characters",
        )
    if distribution_of(kind, name) in KNOWN_DISTRIBUTIONS.values():
        raise ValidationFailed("name", f"{distribution_of(kind, name)} is devbench's own package")
    if os.path.lexists(folder) and not folder.is_dir():
        raise Conflict(f"{str(folder)!r} is no folder", hint="name another one with --directory")
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"folder {str(folder)!r} is not empty", hint="name another one with --directory")
    words = _words(kind, name)
    written: list[Path] = []
    for place, template in _templates(kind):
        path = folder / place.replace("src/", f"src/{words['module']}/", 1).removesuffix(_TEMPLATE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
        written.append(path)
    return sorted(written)


def distribution_of(kind: str, name: str) -> str:
    """Return what the package is called."""
    return f"devbench-{kind}-{name}"


def _words(kind: str, name: str) -> dict[str, str]:
    distribution = distribution_of(kind, name)
    major, minor = re.findall(r"\d+", version("devbench-core"))[:2]
    return {
        "kind": kind,
        "name": name,
        "tool": name.replace("-", "_"),
        "title": "".join(word.title() for word in name.split("-")),
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "core": f">={major}.{minor},<{major}.{int(minor) + 1}",
    }


def _templates(kind: str) -> Iterator[tuple[str, Traversable]]:
    root = files("devbench_cli.authors") / "templates"
    found = dict(_below(root / "common", ""))
    yield from {**found, **dict(_below(root / kind, ""))}.items()


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_TEMPLATE):
            yield prefix + entry.name, entry
