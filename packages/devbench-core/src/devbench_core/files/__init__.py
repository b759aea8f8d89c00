"""Files of a workspace: one intent, one request to the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.files.service import Files

__all__ = ["Files"]


def __getattr__(name: str) -> object:
    """Import the service only when it is asked for: the settings beside it are read by everybody."""
    if name in __all__:
        from devbench_core.files import service

        return getattr(service, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
