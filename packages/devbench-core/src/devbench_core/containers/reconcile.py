"""Brings records and engine together: adopt, end what is gone, remove what nobody owns; silence changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs

from devbench_core import metrics
from devbench_core.containers.context import Context
from devbench_core.containers.ending import BY_ENGINE, Ender
from devbench_core.containers.repository import LEFTOVER, LIVING
from devbench_core.errors import ContainerNotFound, DevbenchError, EngineUnreachable, LeaseLost
from devbench_core.logs import get_logger
from devbench_core.model.container import Container, ContainerEnding, EndReason, Observed, Status
from devbench_core.pools import records

log = get_logger(__name__)
Recover = Callable[[Container], Awaitable[None]]


@attrs.define(kw_only=True)
class Report:
    """What one reconciliation did, by container id."""

    adopted: list[str] = attrs.field(factory=list[str])
    ended: list[str] = attrs.field(factory=list[str])
    removed: list[str] = attrs.field(factory=list[str])
    unknown: list[str] = attrs.field(factory=list[str])
    failed: list[str] = attrs.field(factory=list[str])


class Reconciler:
    """Compares what is recorded with what the engine shows."""

    def __init__(self, context: Context, ender: Ender, recover: Recover) -> None:
        self._context = context
        self._ender = ender
        self._recover = recover

    async def run(self, *, adopt: bool = True, reap: bool = True) -> Report:
        """Reconcile once.

        An engine that does not answer makes every living container of this runtime *unknown*; nothing else
        is touched.

        Args:
            adopt: Whether this host takes what dead ones left, and follows what it took.
            reap: Whether what acts for the whole installation is done: endings, removals, what is unknown.
        """
        report = Report()
        try:
            engine = {o.container_id: o async for o in self._context.runtime.list(self._context.installation)}
        except EngineUnreachable as error:
            log.warning("reconcile.engine_silent", error=str(error))
            await self._all_unknown(report, record=reap)
            return report
        if reap:
            await self._leftovers(report)
        # in this order: a warm container that is claimed meanwhile is met in one list or in the other
        store = self._context.repository.store
        known: set[str] = {warm.id async for warm in records.listed(store)}
        async for container in self._context.repository.all(LIVING):
            known.add(container.id)
            if container.runtime == self._context.runtime.name:
                step = self._one(container, engine.get(container.id), report, adopt=adopt, reap=reap)
                await self._guarded(step, container.id, report)
        if reap:
            known.update(report.removed, report.failed)  # they were there when the engine was asked
            await self._orphans({key: seen for key, seen in engine.items() if key not in known}, report)
        log.info("reconcile.done", **{name: len(ids) for name, ids in attrs.asdict(report).items()})
        return report

    async def examine(self, container: Container) -> Container:
        """Compare one container with the engine now, and give it its ending when it has one."""
        await self._look_again(container.id, Report(), adopt=True)
        return await self._context.repository.by_id(container.id) or container

    async def _guarded(self, step: Awaitable[None], container_id: str, report: Report) -> None:
        """One container's trouble must not keep the others from being looked at."""
        try:
            await step
        except LeaseLost:
            raise  # somebody else does this now
        except DevbenchError as error:
            log.warning("reconcile.failed", container=container_id, error=str(error))
            report.failed.append(container_id)

    async def _all_unknown(self, report: Report, *, record: bool) -> None:
        async for container in self._context.repository.all(LIVING):
            if container.runtime == self._context.runtime.name and container.status is Status.RUNNING:
                if record:
                    await self._context.repository.change(container.id, status=Status.UNKNOWN)
                report.unknown.append(container.id)

    async def _leftovers(self, report: Report) -> None:
        """Finish removals that were interrupted."""
        async for container in self._context.repository.all(LEFTOVER):
            if container.runtime == self._context.runtime.name:
                await self._guarded(self._finish(container.id, report), container.id, report)

    async def _finish(self, container_id: str, report: Report) -> None:
        # read again: that a kill left nothing is written behind it, and the listed page may be older
        container = await self._context.repository.by_id(container_id)
        if container is None or container.ending is None or container.status is Status.GONE:
            return
        await self._ender.end(container, container.ending, None)
        report.removed.append(container_id)

    async def _one(
        self, container: Container, observed: Observed | None, report: Report, *, adopt: bool, reap: bool
    ) -> None:
        if container.status is not Status.CREATING and observed and observed.status is Status.RUNNING:
            if adopt:
                await self._adopt(container, report)
        elif not reap:
            return
        elif container.status is Status.CREATING:
            await self._half_made(container, report)
        else:
            await self._look_again(container.id, report, adopt=adopt)  # it may be younger than the list

    async def _look_again(self, container_id: str, report: Report, *, adopt: bool) -> None:
        """Ask the engine about this one container now; only a clear answer ends it."""
        container = await self._context.repository.by_id(container_id)
        if container is None or container.ending is not None or container.status is Status.CREATING:
            return
        try:
            observed = await self._context.runtime.inspect(container.ref)
        except ContainerNotFound:
            observed = None
        except DevbenchError as error:
            log.warning("reconcile.unknown", container=container_id, error=str(error))
            await self._context.repository.change(container_id, status=Status.UNKNOWN)
            report.unknown.append(container_id)
            return
        if observed is None or observed.status is Status.EXITED:
            await self._ender.end(container, ending_of(observed, self._context), None)
            report.ended.append(container_id)
        elif observed.status is Status.RUNNING and adopt:
            await self._adopt(container, report)

    async def _half_made(self, container: Container, report: Report) -> None:
        if await self._context.instances.alive(container.instance):
            return  # its host is still at work on it
        seen = await self._ender.discard(container, "the host that was spawning it died", if_half_made=True)
        if seen.ending is not None:
            report.ended.append(container.id)

    async def _adopt(self, container: Container, report: Report) -> None:
        context = self._context
        fields: dict[str, object] = {}
        if container.status is Status.UNKNOWN:
            fields["status"] = Status.RUNNING
        orphaned = not await context.instances.alive(container.instance)
        if orphaned and context.serving:
            fields["instance"] = context.instance
        if fields:
            container = await context.repository.change(container.id, **fields)
        if orphaned or context.serving:
            await self._recover(container)  # also of a living host: a short-lived one may have left commands
        report.adopted.append(container.id)

    async def _orphans(self, engine: Mapping[str, Observed], report: Report) -> None:
        """Remove what carries our installation's label and has no living record, when its grace is over."""
        for container_id, observed in engine.items():
            await self._guarded(self._orphan(observed, report), container_id, report)
        await self._context.orphans.keep_only(frozenset(engine))

    async def _orphan(self, observed: Observed, report: Report) -> None:
        if observed.status is Status.UNKNOWN:
            return  # nothing is destroyed on this
        context = self._context
        record = await context.repository.by_id(observed.container_id)
        if record is not None and record.ending is None:
            return  # spawned since we listed the records
        if record is None and await context.orphans.left_s(observed.container_id) > 0:
            return
        await context.confirm()
        await context.runtime.remove(observed.ref)
        reason = "lifetimes.orphan_grace_s" if record is None else "ended"
        metrics.DELETIONS.labels(reason).inc()
        log.info("reconcile.orphan_removed", container=observed.container_id, reason=reason)
        context.emit("container.orphan_removed", None, observed.container_id, {"reason": reason})
        report.removed.append(observed.container_id)


def ending_of(observed: Observed | None, context: Context) -> ContainerEnding:
    """Say how a container ended that nobody of us ended."""
    now = context.clock.now()
    if observed is None:
        return ContainerEnding(
            reason=EndReason.LOST,
            at=now,
            by=BY_ENGINE,
            message="the engine has it no more; something else removed it",
        )
    reason = EndReason.OUT_OF_MEMORY if observed.out_of_memory else EndReason.EXITED
    return ContainerEnding(
        reason=reason,
        at=observed.finished_at or now,
        by=BY_ENGINE,
        exit_code=observed.exit_code,
        message="its memory limit was reached" if observed.out_of_memory else "its first process ended",
    )
