"""Reads what installers recorded of distributions, so that one with broken metadata hides none of the others."""

from __future__ import annotations

import importlib.metadata
import re
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError
from os import PathLike
from pathlib import Path
from typing import Any

from devbench_core.logs import get_logger

log = get_logger(__name__)
NAMELESS = "unknown"


class Read(Distribution):
    """A distribution whose files are read and parsed once: each look at a name or version would be one more time."""

    def __init__(self, dist: Distribution) -> None:
        """Take the distribution that knows where its files are."""
        self._dist = dist
        self._texts: dict[str, str | None] = {}
        self._metadata: PackageMetadata | None = None

    @property
    def metadata(self) -> PackageMetadata:
        """What METADATA says."""
        if self._metadata is None:
            self._metadata = super().metadata
        return self._metadata

    def read_text(self, filename: str) -> str | None:
        """Return one of its files, None if it is not there."""
        if filename not in self._texts:
            self._texts[filename] = self._dist.read_text(filename)
        return self._texts[filename]

    def locate_file(self, path: str | PathLike[str]) -> Any:
        """Return where a file of it is."""
        return self._dist.locate_file(path)


class Unreadable(Distribution):
    """Stands for a distribution whose metadata are broken: its entry points are known, and must not be loaded."""

    def __init__(self, name: str, entry_points: str, fault: str) -> None:
        """Take what is known of it.

        Args:
            name: What it says that it is called; it is not to be believed.
            entry_points: The text of its entry points.
            fault: What is wrong with it and where it is.
        """
        self.fault = fault
        self._texts = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n",
            "entry_points.txt": entry_points,
        }

    def read_text(self, filename: str) -> str | None:
        """Return one of the two texts that it has."""
        return self._texts.get(filename)

    def locate_file(self, path: str | PathLike[str]) -> Any:
        """Return the path as it is: it has no files."""
        return Path(path)


def of_groups(prefix: str) -> list[Distribution]:
    """Return the distributions that have entry points of groups whose names begin so.

    The first of a name on the path counts, as it does for imports. Most have no entry point of ours, so that parsing
    all of them, as importlib.metadata would, is most of the work: hence the look into the text.
    """
    first: dict[str, Distribution] = {}
    for found in importlib.metadata.distributions():
        dist = Read(found)
        try:
            text = dist.read_text("entry_points.txt") or ""
            if f"[{prefix}" not in text:
                continue
            _ = dist.entry_points
        except Exception as error:  # noqa: BLE001 - whatever a file of somebody else makes the parser raise
            log.warning(
                "plugins.entry_points_unreadable", folder=str(dist.locate_file("")), error=repr(error)
            )
            continue
        known = _known(dist, text)
        key = known.fault + text if isinstance(known, Unreadable) else normal(known.name)
        first.setdefault(key, known)
    return list(first.values())


def normal(distribution: str) -> str:
    """Return a distribution's name in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _known(dist: Distribution, text: str) -> Distribution:
    """Return the first distribution of the name, or what stands for this one when it is broken."""
    name, version = _name_and_version(dist)
    folder = str(dist.locate_file(""))
    if not name or not version:
        return Unreadable(name or NAMELESS, text, f"its metadata in {folder} cannot be read")
    try:
        first = Read(importlib.metadata.distribution(name))
    except PackageNotFoundError:
        fault = f"its metadata in {folder} name the distribution {name!r}, their folder another"
        return Unreadable(name, text, fault)
    return first if all(_name_and_version(first)) else dist


def _name_and_version(dist: Distribution) -> tuple[str, str]:
    try:
        found = dist.metadata
        return found["Name"] or "", found["Version"] or ""
    except Exception:  # noqa: BLE001 - what an absent or a damaged file raises differs between versions of Python
        return "", ""
