"""Commands: start, follow, wait for and cancel them; each accepted one gets exactly one ending."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.execs.service import Execs

__all__ = ["Execs"]


def __getattr__(name: str) -> object:
    """Import the service only when it is asked for: the settings beside it are read by everybody."""
    if name in __all__:
        from devbench_core.execs import service

        return getattr(service, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
