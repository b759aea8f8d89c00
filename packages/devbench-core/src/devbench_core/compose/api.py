"""Versions of the plugin API: the last part of an entry-point group is the major version that a plugin is made for."""

from __future__ import annotations

import re

API_VERSION = 1
"""The major version of the plugin API; it rises when a plugin that kept to what is public would break."""

PREFIX = "devbench.v"
GROUP = f"{PREFIX}{API_VERSION}"
"""The entry-point group whose plugins are loaded."""

_ANY_GROUP = re.compile(re.escape(PREFIX) + r"([0-9]{1,9})")


def version_of(group: str) -> int | None:
    """Return for which version of the plugin API the plugins of a group are made; None of a group that has none."""
    found = _ANY_GROUP.fullmatch(group)
    return int(found[1]) if found else None


def mismatch(group: str, distribution: str) -> str:
    """Say what is wrong with a plugin of another group, and what to do."""
    version = version_of(group) or 0
    ways = [f"install a release of {distribution} for {GROUP}"]
    if version > API_VERSION:
        ways.insert(0, "upgrade devbench-core")
    return (
        f"is made for version {version} of the plugin API, this devbench has version {API_VERSION}; "
        f"{' or '.join(ways)}"
    )
