"""Docker, as the rooms that all engines share ask for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from devbench_core.engines.calls import EngineCalls, Found
from devbench_core.engines.http_calls import HttpCalls, filters, found
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.helper import helper, volume_mount
from devbench_runtime_docker.settings import DockerSettings


class DockerCalls(HttpCalls[DockerSettings]):
    """One engine as `EngineCalls`."""

    table = "docker"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._engine = engine

    @property
    def is_local(self) -> bool:
        """Whether the engine is reached by a socket of this machine."""
        return bool(self._engine.endpoint.socket)

    async def volume(self, name: str) -> Found:
        """Inspect a volume."""
        return found(await self._engine.call("GET", f"volumes/{name}", doing="look at a volume"), "Name")

    async def make_volume(self, name: str, labels: Mapping[str, str]) -> Found:
        """Create a volume; Docker answers with the one that is there."""
        body = {"Name": name, "Labels": dict(labels)}
        made = await self._engine.call("POST", "volumes/create", doing="make a volume", body=body)
        return found(made, "Name")

    async def volumes(self, labels: Mapping[str, str]) -> list[Found]:
        """List the volumes that no container has."""
        params = filters(labels, dangling=["true"])
        listed = await self._engine.call("GET", "volumes", doing="list volumes", params=params)
        return [found(each, "Name") for each in listed.get("Volumes") or ()]

    def helper(
        self,
        image_id: str,
        volume: str,
        target: str,
        labels: Mapping[str, str],
        *,
        name: str,
        remove: Callable[[str], Awaitable[None]],
    ) -> AbstractAsyncContextManager[str]:
        """Make a helper container."""
        mounts = [volume_mount(volume, target)]
        return helper(self._engine, image_id, mounts, labels, name=name, remove=remove)


if TYPE_CHECKING:
    _: type[EngineCalls] = DockerCalls
