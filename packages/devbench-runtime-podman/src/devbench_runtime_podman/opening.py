"""Opens the runtime: connect, ask what is enforced, sweep; and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from devbench_core.contracts.provider import OpenContext
from devbench_core.engines.agents import Agents
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.owner import this_process
from devbench_core.engines.removals import Removals
from devbench_core.engines.removing import Remover
from devbench_core.engines.stash import Stash
from devbench_core.engines.sweep import Sweep
from devbench_core.tasks import background
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.creating import Creator
from devbench_runtime_podman.engine import Engine, connected
from devbench_runtime_podman.failures import translate
from devbench_runtime_podman.info import capabilities_of, highest_id
from devbench_runtime_podman.limits import limits_for
from devbench_runtime_podman.runtime import PodmanRuntime
from devbench_runtime_podman.settings import PodmanSettings


@asynccontextmanager
async def opened(settings: PodmanSettings, context: OpenContext) -> AsyncGenerator[PodmanRuntime, None]:
    """Open the runtime.

    Raises:
        ConfigurationInvalid: The address or the connection cannot be used.
        EngineUnreachable: The service does not answer.
        EngineFailed: It is too old, or runs no Linux containers.
    """
    async with connected(settings) as engine:
        await engine.version()
        info = await ask_info(engine)
        capabilities = capabilities_of(info)
        calls = PodmanCalls(engine)
        sweep = Sweep(calls, context.clock, context.installation)
        await sweep.leftovers()
        async with background() as tasks:
            removals = Removals(calls, context.clock, tasks)
            remover = Remover(calls, context.clock, removals)
            creator = Creator(
                engine,
                agents=Agents(calls, context.clock, removals, after_fill=sweep.agents),
                remover=remover,
                removals=removals,
                tasks=tasks,
                capabilities=capabilities,
                limits=await asyncio.to_thread(limits_for, settings, engine.endpoint.socket),
                owner=await asyncio.to_thread(this_process),
                highest_id=highest_id(info),
            )
            stash = Stash(context.clock, settings.agent_stash_s)
            try:
                yield PodmanRuntime(
                    engine,
                    capabilities=capabilities,
                    info=info,
                    creator=creator,
                    remover=remover,
                    stash=stash,
                )
            finally:
                try:
                    stash.close()
                    await creator.close()
                finally:  # its tasks would keep the group open for ever
                    await removals.close()


async def ask_info(engine: Engine) -> dict[str, Any]:
    """Return the service's own description of what it can do."""
    try:
        return await engine.call("GET", "info", doing="describe itself")
    except EngineAnswer as answer:
        raise translate(answer, "describe itself") from answer
