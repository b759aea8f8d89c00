"""Offers the runtime ``podman``; the engine's client is imported when it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module

from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.hookspecs import hookimpl
from devbench_runtime_podman.settings import PodmanSettings


@asynccontextmanager
async def open_podman(settings: PodmanSettings, context: OpenContext) -> AsyncGenerator[Runtime, None]:
    """Connect to the service, ask what it enforces, and sweep what a former life left there."""
    await asyncio.to_thread(import_module, "devbench_runtime_podman.opening")  # half a second
    from devbench_runtime_podman.opening import opened

    async with opened(settings, context) as runtime:
        yield runtime


async def diagnose(settings: PodmanSettings, context: OpenContext) -> Diagnosis:
    """Say whether the service answers, and if not, which command mends that."""
    await asyncio.to_thread(import_module, "devbench_runtime_podman.doctor")
    from devbench_runtime_podman.doctor import examine

    return await examine(settings, context)


class PodmanPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer ``podman``."""
        return [Provider(name="podman", settings=PodmanSettings, open=open_podman, diagnose=diagnose)]


plugin = PodmanPlugin()
