"""Containers: spawn, attach, kill, inspect and list, with their promises about names, keys and endings."""

from devbench_core.containers.requests import Attached, ContainerPage, PolicyRequest, Spawned, SpawnRequest
from devbench_core.containers.service import Containers

__all__ = ["Attached", "ContainerPage", "Containers", "PolicyRequest", "SpawnRequest", "Spawned"]
