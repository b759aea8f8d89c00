"""Makes warm containers and removes those that nobody got; wherever it is interrupted the record says what is there."""

from __future__ import annotations

import attrs

from devbench_core import metrics
from devbench_core.bounds import bound
from devbench_core.containers.context import Context
from devbench_core.containers.create import create_request
from devbench_core.containers.ending import remove_from_engine
from devbench_core.containers.links import forget_token, keep_token
from devbench_core.containers.tokens import new_token
from devbench_core.errors import Conflict, DevbenchError
from devbench_core.ids import CONTAINER, new_id
from devbench_core.logs import get_logger
from devbench_core.model.container import Container, ContainerSpec, Status
from devbench_core.pools import records
from devbench_core.pools.records import State, Warm
from devbench_core.pools.template import Target

log = get_logger(__name__)


class Maker:
    """Makes and removes.

    Args:
        context: The collaborators.
        maker: What makes containers here; see `devbench_core.pools.template`.
    """

    def __init__(self, context: Context, maker: str) -> None:
        self._context = context
        self.maker = maker

    def blank(self, spec: ContainerSpec, image_id: str, container_id: str = "") -> Container:
        """Return the record that a container would have if somebody had asked for it."""
        context = self._context
        return Container(
            id=container_id or new_id(CONTAINER),
            tenant="",
            created_by="",
            instance=context.instance,
            spec=spec,
            runtime=context.runtime.name,
            image_id=image_id,
            status=Status.CREATING,
            created_at=context.clock.now(),
        )

    async def make(self, pool: str, slot: int, target: Target) -> Warm | None:
        """Make one in a slot; None when another host had the slot.

        Raises:
            DevbenchError: It could not be made; nothing of it is left, or the record says what is.
        """
        context = self._context
        container, token = self.blank(target.spec, target.image.id), new_token()
        begun_s = context.clock.monotonic_s()
        warm = Warm(
            id=container.id,
            pool=pool,
            slot=slot,
            runtime=context.runtime.name,
            instance=context.instance,
            fingerprint=target.fingerprint,
            image_id=target.image.id,
            maker=self.maker,
            state=State.MAKING,
            made_at=context.clock.now(),
        )
        store = context.repository.store
        try:
            warm = await records.save(store, warm, records.take_slot(warm), keep_token(warm.id, token))
        except Conflict:
            return None
        try:
            seconds = context.settings.containers.spawn_timeout_s
            async with bound(seconds, "containers.spawn_timeout_s", f"container {warm.id!r}"):
                request = create_request(container, target.image, context.installation)
                warm = attrs.evolve(warm, ref=await context.runtime.create(request))
                await context.runtime.start(warm.ref)
                await context.links.create(warm.id, warm.ref, token, claim=True).channel()
            warm = await records.save(store, attrs.evolve(warm, state=State.READY))
        except Exception as error:
            await self.remove(warm, "failed")
            if isinstance(error, Conflict) and error.details.get("kind") == records.KIND:
                return None  # another host took this one for dead, and its record with it
            raise
        metrics.POOL_FILL_SECONDS.labels(pool).observe(context.clock.monotonic_s() - begun_s)
        context.emit("pool.filled", None, warm.id, {"pool": pool})
        return warm

    async def remove(self, warm: Warm, reason: str) -> bool:
        """Remove one that nobody got, from the engine and then from the store; safe to repeat and to race.

        Returns:
            Whether nothing of it is left. Otherwise the record stays, and the next round tries again.
        """
        context = self._context
        store = context.repository.store
        try:
            if warm.state is not State.LEAVING:
                warm = await records.save(store, attrs.evolve(warm, state=State.LEAVING, reason=reason))
            seconds = context.settings.containers.kill_timeout_s
            async with bound(seconds, "containers.kill_timeout_s", f"the removal of container {warm.id!r}"):
                await remove_from_engine(context, warm.id, warm.ref)
            await store.apply(*records.remove(warm), forget_token(warm.id))
        except Conflict:
            return await self._after_all(warm)
        except DevbenchError as error:
            log.warning("pool.removal_postponed", container=warm.id, pool=warm.pool, error=str(error))
            return False
        metrics.POOL_REMOVED.labels(warm.pool, warm.reason or reason).inc()
        context.emit("pool.removed", None, warm.id, {"pool": warm.pool, "reason": warm.reason or reason})
        return True

    async def _after_all(self, warm: Warm) -> bool:
        """Somebody else changed the record: it was claimed, or another host removes it; what we made must not stay."""
        context = self._context
        if await context.repository.by_id(warm.id) is None and not await self._recorded(warm):
            await remove_from_engine(context, warm.id, warm.ref)
        return False

    async def _recorded(self, warm: Warm) -> bool:
        return await self._context.repository.store.get(records.KIND, warm.id) is not None
