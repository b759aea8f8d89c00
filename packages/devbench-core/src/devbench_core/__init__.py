"""Contracts, composition and use cases of devbench: isolated workspaces for AI agents.

``devbench_core.open()`` opens everything; see `devbench_core.bench`. It is imported on first use, so that a plugin
that needs only an error or a contract does not load the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.bench import Bench, open  # noqa: A004 - the name is the public one

__all__ = ["Bench", "open"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from devbench_core import bench

        return getattr(bench, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
