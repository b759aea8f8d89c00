"""Endings: one for each container, kept after its removal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import attrs

from devbench_core import metrics
from devbench_core.bounds import bound
from devbench_core.containers.context import Context
from devbench_core.containers.links import forget_token
from devbench_core.containers.repository import free_alias
from devbench_core.contracts.store import Put, Remove
from devbench_core.errors import Conflict, DevbenchError, LeaseLost
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container, ContainerEnding, EndReason, Status

log = get_logger(__name__)
BY_DEVBENCH = "devbench"
BY_ENGINE = "engine"
ATTEMPTS = 10
EndExecs = Callable[[Container, ContainerEnding], Awaitable[None]]


class Ender:
    """Ends containers: on request, by their lifetime, or because they are found gone."""

    def __init__(self, context: Context, end_execs: EndExecs) -> None:
        self._context = context
        self._end_execs = end_execs
        # one lives as long as somebody holds it or waits for it
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._behind: set[asyncio.Task[None]] = set()

    async def end(
        self,
        container: Container,
        ending: ContainerEnding,
        caller: Caller | None,
        *,
        if_half_made: bool = False,
    ) -> Container:
        """Give a container its ending, then remove it from the engine. Safe to repeat and to race.

        The ending is recorded first: a crash in between leaves a record that says what was wanted, and a
        leftover that the next start removes. That nothing is left is written behind: this host answers with it
        at once, and a host that dies before it is written leaves a leftover of which nothing is found.

        Args:
            container: As it was read.
            ending: Why it ends.
            caller: On whose behalf; None for devbench's own.
            if_half_made: Leave one that was made since it was read: somebody may have been told that he has it.

        Returns:
            The record with its ending, or as it is when it was left.

        Raises:
            EngineUnreachable: The engine did not answer; the ending is recorded, the removal is tried again
                by the next sweep.
            TimedOut: It was not done within ``containers.kill_timeout_s``, whoever else was at it, too. The
                removal follows, if the ending was recorded.
        """
        seconds = self._context.settings.containers.kill_timeout_s
        async with (
            bound(seconds, "containers.kill_timeout_s", f"the removal of container {container.id!r}"),
            self._locks.setdefault(container.id, asyncio.Lock()),
        ):
            return await self._end_locked(container, ending, caller, if_half_made=if_half_made)

    async def _end_locked(
        self, container: Container, ending: ContainerEnding, caller: Caller | None, *, if_half_made: bool
    ) -> Container:
        current = await self._record_ending(container, ending, if_half_made=if_half_made)
        if current.status is Status.GONE or current.ending is None:
            return current
        both = (remove_from_engine(self._context, current.id, current.ref), self._end_execs_of(current))
        for failure in await asyncio.gather(*both, return_exceptions=True):
            if failure is not None:  # neither is left running alone when the other fails
                raise failure
        gone = attrs.evolve(current, status=Status.GONE)
        self._context.repository.promise(gone)
        task = self._context.tasks.create_task(self._record_gone(gone, caller), name=f"gone {gone.id}")
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return gone

    async def settle(self) -> None:
        """Wait until what was confirmed is written, at most ``containers.kill_timeout_s``."""
        if self._behind:
            await asyncio.wait(self._behind, timeout=self._context.settings.containers.kill_timeout_s)

    async def discard(self, container: Container, message: str, *, if_half_made: bool = False) -> Container:
        """End a spawn that failed: nothing of it stays but the ending; alias and key are free again."""
        ending = ContainerEnding(
            reason=EndReason.SPAWN_FAILED, at=self._context.clock.now(), by=BY_DEVBENCH, message=message
        )
        try:
            return await self.end(container, ending, None, if_half_made=if_half_made)
        except LeaseLost:
            raise
        except DevbenchError as error:
            log.warning("container.discard_postponed", container=container.id, error=str(error))
            return container

    async def _record_ending(
        self, container: Container, ending: ContainerEnding, *, if_half_made: bool
    ) -> Container:
        """Write the ending and free alias and token in one step, unless there is an ending already."""
        repository = self._context.repository
        container_id, current = container.id, container
        for attempt in range(ATTEMPTS):
            if attempt:
                found = await repository.by_id(container_id)
                if found is None:
                    raise Conflict(f"the record of container {container_id!r} vanished")
                current = found
            if current.ending is not None or (if_half_made and current.status is not Status.CREATING):
                return current
            wanted = attrs.evolve(current, ending=ending, status=Status.EXITED)
            try:
                saved = await repository.save(wanted, *_freed(current))
            except Conflict:
                continue
            if ending.reason is EndReason.SPAWN_FAILED:
                await self._context.keys.free(container_id)
            return saved
        raise Conflict(f"container {container_id!r} changes too often", hint="try again")

    async def _end_execs_of(self, container: Container) -> None:
        """Give its commands their ending; beside the removal, which takes longer."""
        if container.ending is not None:
            await self._end_execs(container, container.ending)

    async def _record_gone(self, gone: Container, caller: Caller | None) -> None:
        """Write that nothing is left of it; whoever writes it first tells the observers."""
        try:
            await self._context.repository.save(gone)
        except (Conflict, LeaseLost):
            return  # another host found the same, or is going to
        except Exception:
            log.exception("container.gone_postponed", container=gone.id)
            return  # a leftover as before: the next sweep finds nothing of it and writes that
        finally:
            self._context.repository.settle(gone.id)
        reason = str(gone.ending.reason) if gone.ending else ""
        metrics.CONTAINERS_ENDED.labels(reason=reason).inc()
        self._context.emit("container.ended", caller, gone.id, {"reason": reason})


async def remove_from_engine(context: Context, container_id: str, ref: str) -> None:
    """Remove a container from the engine, finding it by its label when its ref was never recorded."""
    runtime = context.runtime
    async with context.links.removing(container_id):
        if ref:
            await runtime.remove(ref)
            return
        async for observed in runtime.list(context.installation):
            if observed.container_id == container_id:
                await runtime.remove(observed.ref)


def _freed(container: Container) -> tuple[Put | Remove, ...]:
    """Return the changes that free what only a living container has."""
    from devbench_core.containers import guest_records

    guests = guest_records.forget(container.id, container.spec.policy)
    return (*free_alias(container), forget_token(container.id), *guests)
