"""Containers: spawn, attach, kill, inspect and list, with their promises about names, keys and endings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devbench_core.containers.results import Attached, ContainerPage, Spawned

if TYPE_CHECKING:
    from devbench_core.containers.requests import PolicyRequest, SpawnRequest
    from devbench_core.containers.service import Containers

__all__ = ["Attached", "ContainerPage", "Containers", "PolicyRequest", "SpawnRequest", "Spawned"]


def __getattr__(name: str) -> object:
    """Import what is large only when it is asked for."""
    if name == "Containers":
        from devbench_core.containers import service

        return service.Containers
    if name in __all__:
        from devbench_core.containers import requests

        return getattr(requests, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
