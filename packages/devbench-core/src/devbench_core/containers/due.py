"""Says what the next round would end or remove of containers, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from devbench_core.containers.context import Context
from devbench_core.containers.reconcile import ending_of
from devbench_core.containers.repository import ENDED, LEFTOVER, LIVING
from devbench_core.containers.sweep import RETENTION, Running, Sweeper
from devbench_core.model.container import Container, EndReason, Observed, Status
from devbench_core.model.finding import Finding, Garbage
from devbench_core.pools import records


async def due(context: Context, sweeper: Sweeper, running: Running) -> AsyncGenerator[Finding]:
    """Look at everything, records and engine, and yield what is found.

    Raises:
        EngineUnreachable: The engine did not answer, so nothing can be said.
    """
    name, repository = context.runtime.name, context.repository
    engine = {seen.container_id: seen async for seen in context.runtime.list(context.installation)}
    living: set[str] = {warm.id async for warm in records.listed(repository.store)}
    async for container in repository.all(LIVING):
        living.add(container.id)
        if container.runtime == name:
            reason = await _reason(context, sweeper, running, container, engine.get(container.id))
            if reason:
                yield Finding(what=Garbage.CONTAINER, id=container.id, reason=reason)
    async for container in repository.all(LEFTOVER):
        if container.runtime == name:
            reason = str(container.ending.reason) if container.ending else ""
            yield Finding(what=Garbage.LEFTOVER, id=container.id, reason=reason)
    for orphan in await _orphans(context, {key: seen for key, seen in engine.items() if key not in living}):
        yield orphan
    async for found in _old(context, sweeper):
        yield found


async def _old(context: Context, sweeper: Sweeper) -> AsyncGenerator[Finding]:
    async for container in context.repository.all(ENDED):
        if sweeper.is_old(container):
            yield Finding(what=Garbage.RECORD, id=container.id, reason=RETENTION)
    if keys := await context.keys.expired():
        yield Finding(what=Garbage.KEY, reason="expired", count=keys)
    for host in await context.instances.dead():
        yield Finding(what=Garbage.HOST, id=host, reason="died")


async def _reason(
    context: Context, sweeper: Sweeper, running: Running, container: Container, seen: Observed | None
) -> str:
    """Return why a living container ends, "" when it stays."""
    if container.status is Status.CREATING:
        alive = await context.instances.alive(container.instance)
        return "" if alive else str(EndReason.SPAWN_FAILED)
    if seen is None or seen.status is Status.EXITED:
        return str(ending_of(seen, context).reason)
    ending = sweeper.due(container)
    if ending is None or (ending.reason is EndReason.IDLE and await running(container)):
        return ""
    return str(ending.reason)


async def _orphans(context: Context, engine: Mapping[str, Observed]) -> list[Finding]:
    found: list[Finding] = []
    for container_id, seen in engine.items():
        if seen.status is Status.UNKNOWN:
            continue  # a round leaves it as it is
        record = await context.repository.by_id(container_id)
        if record is None:
            left_s = await context.orphans.left_s(container_id, note=False)
            found.append(
                Finding(
                    what=Garbage.ORPHAN,
                    id=container_id,
                    reason="lifetimes.orphan_grace_s",
                    due_in_s=max(0.0, left_s),
                )
            )
        elif record.ending is not None and record.status is Status.GONE:  # others are leftovers
            found.append(Finding(what=Garbage.ORPHAN, id=container_id, reason="ended"))
    return found
