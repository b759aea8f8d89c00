"""Opens the runtime: connect, negotiate, ask what is enforced, sweep; and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from devbench_core.contracts.provider import OpenContext
from devbench_core.engines.agents import Agents
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.failures import translate
from devbench_core.engines.images import EngineImages
from devbench_core.engines.owner import this_process
from devbench_core.engines.removals import Removals
from devbench_core.engines.removing import Remover
from devbench_core.engines.stash import Stash
from devbench_core.engines.sweep import Sweep
from devbench_core.tasks import background
from devbench_runtime_docker.calls import DockerCalls
from devbench_runtime_docker.creating import Creator
from devbench_runtime_docker.engine import Engine, connected
from devbench_runtime_docker.info import capabilities_of
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings
from devbench_runtime_docker.workspaces import Workspaces


@asynccontextmanager
async def opened(settings: DockerSettings, context: OpenContext) -> AsyncGenerator[DockerRuntime, None]:
    """Open the runtime.

    Raises:
        ConfigurationInvalid: Address, context or TLS files cannot be used.
        EngineUnreachable: The engine does not answer.
        EngineFailed: It is too old, or runs no Linux containers.
    """
    async with connected(settings) as engine:
        await engine.negotiate()
        info = await ask_info(engine)
        capabilities = capabilities_of(info)
        owner = await asyncio.to_thread(this_process)
        calls = DockerCalls(engine)
        sweep = Sweep(calls, context.clock, context.installation)
        await sweep.leftovers()
        async with background() as tasks:
            removals = Removals(calls, context.clock, tasks)
            workspaces = Workspaces(
                engine, installation=context.installation, owner=owner, clock=context.clock, tasks=tasks,
                removals=removals,
            )  # fmt: skip
            images, remover = (
                EngineImages(engine.image, engine.images),
                Remover(calls, context.clock, removals),
            )
            stash = Stash(context.clock, settings.agent_stash_s)
            agents = Agents(calls, context.clock, removals, after_fill=sweep.agents)
            creator = Creator(
                engine, images=images, agents=agents, workspaces=workspaces, remover=remover,
                architecture=capabilities.architectures[0],
            )  # fmt: skip
            try:
                yield DockerRuntime(
                    engine, capabilities=capabilities, info=info, creator=creator, remover=remover,
                    stash=stash,
                )  # fmt: skip
            finally:
                try:
                    stash.close()
                    await workspaces.close()
                finally:  # its tasks would keep the group open for ever
                    await removals.close()


async def ask_info(engine: Engine) -> dict[str, Any]:
    """Return the engine's own description of what it can do."""
    try:
        info: dict[str, Any] = await engine.call("GET", "info", doing="describe itself")
    except EngineAnswer as answer:
        raise translate(answer, "describe itself") from answer
    return info
