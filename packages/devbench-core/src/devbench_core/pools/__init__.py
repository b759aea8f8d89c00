"""Warm pools: containers made before anybody asks, given to whoever asks for exactly such a one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.pools.service import Pools
    from devbench_core.pools.states import PoolState

__all__ = ["PoolState", "Pools"]


def __getattr__(name: str) -> object:
    """Import the service only when it is asked for: the settings beside it are read by everybody."""
    if name in __all__:
        from devbench_core.pools import service

        return getattr(service, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
