"""Opens what was chosen, in order: store, lock, runtime, scanners."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from devbench_core.compose.composition import Chosen
from devbench_core.config.settings import Startup
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import CompositionFailed, DevbenchError, EngineUnreachable
from devbench_core.logs import get_logger

log = get_logger(__name__)
RETRY_S = 0.5


async def open_chosen(chosen: Chosen, context: OpenContext, stack: AsyncExitStack) -> Any:
    """Open one provider for the length of the stack."""
    return await stack.enter_async_context(chosen.provider.open(chosen.settings, context))


async def open_runtime(
    candidates: tuple[Chosen, ...], context: OpenContext, startup: Startup, stack: AsyncExitStack
) -> Runtime:
    """Open the runtime: the one that is named, or the first of ``auto`` that answers.

    Raises:
        CompositionFailed: None of several candidates answers; says why for each.
        EngineUnreachable: The only candidate does not answer and ``startup.engine_silent`` is ``fail``.
    """
    if len(candidates) == 1:
        return await _open_named(candidates[0], context, startup, stack)
    faults: list[str] = []
    for candidate in candidates:
        try:
            runtime = await _try(candidate, context, stack)
        except DevbenchError as error:
            faults.append(f"runtime {candidate.provider.name!r}: {error}")
            continue
        log.info("runtime.chosen", runtime=candidate.provider.name, passed_over=faults)
        return runtime
    raise CompositionFailed([*faults, "no runtime answers; `devbench doctor` says what to install or start"])


async def _open_named(
    chosen: Chosen, context: OpenContext, startup: Startup, stack: AsyncExitStack
) -> Runtime:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + startup.engine_wait_s
    while True:
        try:
            return await _try(chosen, context, stack)
        except EngineUnreachable as error:
            if loop.time() < deadline:
                log.warning("runtime.waiting", runtime=chosen.provider.name, error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            if startup.engine_silent == "fail":
                raise
            log.warning("runtime.degraded", runtime=chosen.provider.name, error=str(error))
            from devbench_core.compose.silent import SilentRuntime

            return SilentRuntime(chosen, context, stack)


async def _try(chosen: Chosen, context: OpenContext, stack: AsyncExitStack) -> Runtime:
    """Open and ping; close again when the ping fails."""
    async with AsyncExitStack() as attempt:
        runtime: Runtime = await open_chosen(chosen, context, attempt)
        await runtime.ping()
        stack.push_async_exit(attempt.pop_all())
        return runtime
