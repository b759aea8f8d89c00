"""One round of the reaper: what each host does for itself, and what one does for the whole installation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devbench_core import metrics
from devbench_core.containers import guest_records
from devbench_core.containers.context import Context
from devbench_core.containers.ending import BY_DEVBENCH, Ender
from devbench_core.containers.reconcile import Reconciler
from devbench_core.containers.repository import ATTACHMENT_KIND, ATTACHMENTS_MAX, ENDED, KIND, LIVING
from devbench_core.contracts.store import Remove
from devbench_core.errors import Conflict, ContainerNotFound, DevbenchError, LeaseLost
from devbench_core.logs import get_logger
from devbench_core.model.container import Container, ContainerEnding, EndReason, Status

if TYPE_CHECKING:
    from devbench_core.model.execution import Exec

Running = Callable[[Container], Awaitable["tuple[Exec, ...]"]]
Forget = Callable[[str], Awaitable[None]]

log = get_logger(__name__)
RETENTION = "lifetimes.ended_retention_s"


class Sweeper:
    """Finds what is due."""

    def __init__(
        self, context: Context, ender: Ender, reconciler: Reconciler, running: Running, forget: Forget
    ) -> None:
        self._context = context
        self._ender = ender
        self._reconciler = reconciler
        self._running = running
        self._forget_execs = forget
        self._used: dict[str, datetime] = {}

    def touch(self, container_id: str) -> None:
        """Note in memory that a container was used now; written to the store by the next round."""
        self._used[container_id] = self._context.clock.now()

    async def reap(self) -> None:
        """End what is expired, idle or gone, and forget what is long over."""
        from devbench_core.forwarding import sweeping as forwarded  # a short command sweeps nothing

        await self._reconciler.run(adopt=False)
        async for container in self._context.repository.all(LIVING):
            if container.runtime == self._context.runtime.name:
                await self._end_if_due(container)
        await self._forget_old()
        batch = self._context.settings.lifetimes.sweep_batch
        _count("idempotency_key", await self._context.keys.sweep(batch))
        _count("instance", await self._context.instances.sweep(batch))
        store, clock = self._context.repository.store, self._context.clock
        _count("forwarded_call", await forwarded.sweep(store, clock, batch))

    async def note(self) -> None:
        """Write down the uses since the last time."""
        for container_id, at in list(self._used.items()):
            try:
                await self._context.repository.change(container_id, last_used_at=at)
            except ContainerNotFound:
                pass  # its record was forgotten meanwhile
            except DevbenchError as error:
                log.warning("sweep.use_not_recorded", container=container_id, error=str(error))
                continue
            if self._used.get(container_id) == at:
                del self._used[container_id]

    async def _end_if_due(self, container: Container) -> None:
        """End one container when its time has come; its trouble must not keep the others from being looked at."""
        ending = self.due(container)
        if ending is None:
            return
        try:
            if ending.reason is EndReason.IDLE and await self._running(container):
                return  # a command runs in it, on whichever host
            await self._ender.end(container, ending, None)
        except LeaseLost:
            raise  # somebody else does this now
        except DevbenchError as error:
            log.warning("sweep.end_postponed", container=container.id, error=str(error))

    def due(self, container: Container) -> ContainerEnding | None:
        """Say why a container must end now, None when it may stay."""
        if container.status is Status.CREATING:
            return None
        now, spec = self._context.clock.now(), container.spec
        if spec.ttl_s is not None and now >= container.created_at + timedelta(seconds=spec.ttl_s):
            return ContainerEnding(
                reason=EndReason.EXPIRED,
                at=now,
                by=BY_DEVBENCH,
                message=f"its ttl_s of {spec.ttl_s:g} passed",
            )
        used = max(
            self._used.get(container.id, container.created_at), container.last_used_at or container.created_at
        )
        if spec.idle_timeout_s is None:
            return None
        if now < used + timedelta(seconds=spec.idle_timeout_s):
            return None
        return ContainerEnding(
            reason=EndReason.IDLE,
            at=now,
            by=BY_DEVBENCH,
            message=f"nothing was asked of it for its idle_timeout_s of {spec.idle_timeout_s:g}",
        )

    def is_old(self, container: Container) -> bool:
        """Tell whether a container ended longer ago than the retention, and nothing of it is left."""
        keep = timedelta(seconds=self._context.settings.lifetimes.ended_retention_s)
        gone = container.status is Status.GONE and container.ending is not None
        return bool(gone and container.ending and container.ending.at <= self._context.clock.now() - keep)

    async def _forget_old(self) -> None:
        """Remove the records of containers that are old, some in each round."""
        left = self._context.settings.lifetimes.sweep_batch
        async for container in self._context.repository.all(ENDED):
            if not self.is_old(container):
                continue
            if not left:
                return  # the next round goes on
            left -= 1
            await self._forget_execs(container.id)
            await self._forget_attachments(container.id)
            try:
                remove = Remove(kind=KIND, key=container.id, expect=container.revision)
                guests = guest_records.forget(container.id, container.spec.policy)  # one that came too late
                await self._context.repository.store.apply(remove, *guests)
            except Conflict:
                continue  # changed meanwhile: the next round sees it again
            _count(RETENTION, 1)
            log.info("sweep.container_forgotten", container=container.id, reason=RETENTION)
            self._context.emit("container.forgotten", None, container.id, {"reason": RETENTION})

    async def _forget_attachments(self, container_id: str) -> None:
        terms = frozenset({f"container={container_id}"})
        page = await self._context.repository.store.list(ATTACHMENT_KIND, terms=terms, limit=ATTACHMENTS_MAX)
        for record in page.records:
            await self._context.repository.store.apply(Remove(kind=record.kind, key=record.key))


def _count(reason: str, number: int) -> None:
    if number:
        metrics.DELETIONS.labels(reason).inc(number)
