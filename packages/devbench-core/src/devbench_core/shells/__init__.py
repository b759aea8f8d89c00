"""Persistent shells: opened once, given scripts one after the other, closed when nobody needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.shells.service import Shells

__all__ = ["Shells"]


def __getattr__(name: str) -> object:
    """Import the service only when it is asked for: the settings beside it are read by everybody."""
    if name in __all__:
        from devbench_core.shells import service

        return getattr(service, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
