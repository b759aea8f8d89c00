"""Offers the runtime ``docker``; the engine's client is imported when it is opened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.hookspecs import hookimpl
from devbench_runtime_docker.settings import DockerSettings


@asynccontextmanager
async def open_docker(settings: DockerSettings, context: OpenContext) -> AsyncGenerator[Runtime, None]:
    """Connect to the engine, ask what it enforces, and sweep what a former life left there."""
    from devbench_runtime_docker.opening import opened

    async with opened(settings, context) as runtime:
        yield runtime


async def diagnose(settings: DockerSettings, context: OpenContext) -> Diagnosis:
    """Say whether the engine answers, and if not, which command mends that."""
    from devbench_runtime_docker.doctor import examine

    return await examine(settings, context)


class DockerPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer ``docker``."""
        return [Provider(name="docker", settings=DockerSettings, open=open_docker, diagnose=diagnose)]


plugin = DockerPlugin()
