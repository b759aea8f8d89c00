"""Spawning: one container for one intent, or none and no orphan, wherever it is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import attrs

from devbench_core import metrics
from devbench_core.bounds import bound
from devbench_core.containers import quotas
from devbench_core.containers.context import Context
from devbench_core.containers.create import create_request
from devbench_core.containers.ending import Ender
from devbench_core.containers.links import ended, keep_token
from devbench_core.containers.policy import enforceable
from devbench_core.containers.quotas import Quotas
from devbench_core.containers.replay import Replay, Wanted, key_of
from devbench_core.containers.repository import ALIAS_KIND, claim_alias
from devbench_core.containers.requests import SpawnRequest
from devbench_core.containers.results import Spawned
from devbench_core.containers.tokens import new_token
from devbench_core.containers.unanswered import Unanswered
from devbench_core.containers.validate import spec_of
from devbench_core.contracts.store import Put, Remove
from devbench_core.errors import (
    Cancelled,
    Conflict,
    DevbenchError,
    ImageNotFound,
    QuotaExceeded,
    StoreFailed,
)
from devbench_core.idempotency import KIND as KEY_KIND
from devbench_core.ids import CONTAINER, new_id
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container, ContainerSpec, Status
from devbench_core.model.image import Image, PullProgress

log = get_logger(__name__)

ATTEMPTS = 3
Progress = Callable[[PullProgress], Awaitable[None]]
Resolve = Callable[[str, Caller, "Progress | None"], Awaitable[Image]]
ForgetImage = Callable[[str], None]
FirstCommand = Callable[[Container, Image], Awaitable[None]]
TakeWarm = Callable[
    [Container, Image, Callable[[Container, tuple[Remove, ...]], Awaitable[Container]]],
    Awaitable[Container | None],
]
"""Claims a container that waits, by the claim that it is given; None when there is none like the one that is wanted."""


class Spawner:
    """Makes containers."""

    def __init__(
        self,
        context: Context,
        ender: Ender,
        resolve: Resolve,
        forget_image: ForgetImage,
        run_entrypoint: FirstCommand,
        take_warm: TakeWarm | None = None,
        *,
        unanswered: Unanswered,
    ) -> None:
        self._context = context
        self._ender = ender
        self._unanswered = unanswered
        self._resolve = resolve
        self._forget_image = forget_image
        self._run_entrypoint = run_entrypoint
        self._take_warm = take_warm
        self._under_way: dict[str, asyncio.Future[Container]] = {}
        self._quotas = Quotas(context.repository, context.settings.containers.per_tenant_max)
        self._replay = Replay(context, ender, self._under_way)

    async def spawn(self, request: SpawnRequest, caller: Caller, progress: Progress | None) -> Spawned:
        """Make a container, or return the one that the key already stands for."""
        begun_s = self._context.clock.monotonic_s()
        try:
            spawned = await self._spawn(request, caller, progress)
        except DevbenchError as error:
            metrics.SPAWNS.labels(outcome=error.code).inc()
            raise
        metrics.SPAWNS.labels(outcome="replayed" if spawned.replayed else "spawned").inc()
        if not spawned.replayed:
            metrics.SPAWN_SECONDS.observe(self._context.clock.monotonic_s() - begun_s)
        return spawned

    async def _spawn(self, request: SpawnRequest, caller: Caller, progress: Progress | None) -> Spawned:
        spec = spec_of(request, self._context.settings)
        key = key_of(request, caller)
        if key is None:
            return Spawned(container=await self._make(spec, caller, None, progress), replayed=False)
        for _ in range(ATTEMPTS):
            found = await self._replay.find(key)
            if isinstance(found, Container):
                return Spawned(container=found, replayed=True)
            try:
                made = await self._make(spec, caller, Wanted(key=key, found=found), progress)
                return Spawned(container=made, replayed=False)
            except Conflict as conflict:
                if conflict.details.get("kind") != KEY_KIND:
                    raise
            except QuotaExceeded:
                if not (await self._context.keys.look(key)).holder:
                    raise  # else it was the first try of this very call that took the last place
        raise Conflict(
            f"idempotency key {key.text!r} is claimed again and again by spawns that fail",
            hint="look at their endings with list_containers(include_ended)",
        )

    async def _make(
        self, spec: ContainerSpec, caller: Caller, wanted: Wanted | None, progress: Progress | None
    ) -> Container:
        context = self._context
        context.review("container.spawn", caller, subject=spec)
        if not context.runtime.capabilities.enforces:
            await context.runtime.ping()  # it was silent at start-up and may have woken since
        capabilities = context.runtime.capabilities
        policy = enforceable(spec.policy, capabilities, context.settings.policy, context.runtime.name)
        spec = attrs.evolve(spec, policy=policy)
        image = await self._image(spec, caller, progress)
        try:
            return await self._accept(spec, image, caller, wanted)
        except ImageNotFound:
            self._forget_image(spec.image)  # it vanished from the engine since it was resolved
        image = await self._image(spec, caller, progress)
        return await self._accept(spec, image, caller, wanted)

    async def _image(self, spec: ContainerSpec, caller: Caller, progress: Progress | None) -> Image:
        seconds = self._context.settings.containers.pull_timeout_s
        async with bound(seconds, "containers.pull_timeout_s", "pulling"):
            return await self._resolve(spec.image, caller, progress)

    async def _accept(
        self, spec: ContainerSpec, image: Image, caller: Caller, wanted: Wanted | None
    ) -> Container:
        context = self._context
        container = Container(
            id=new_id(CONTAINER),
            tenant=caller.tenant,
            created_by=caller.subject,
            instance=context.instance,
            spec=attrs.evolve(spec, image=spec.image or image.name),
            runtime=context.runtime.name,
            image_id=image.id,
            status=Status.CREATING,
            created_at=context.clock.now(),
        )
        if self._take_warm is not None:

            async def claim(warm: Container, taking: tuple[Remove, ...]) -> Container:
                if spec.run_entrypoint:
                    warm = attrs.evolve(warm, status=Status.CREATING)
                return await self._claim_whole(warm, wanted, *taking)

            warm = await self._take_warm(container, image, claim)
            if warm is not None:
                return await self._finish(warm, image, None, caller, wanted)
        token = new_token()
        container = await self._claim_whole(container, wanted, keep_token(container.id, token))
        return await self._finish(container, image, token, caller, wanted)

    async def _claim_whole(
        self, container: Container, wanted: Wanted | None, *access: Put | Remove
    ) -> Container:
        """Claim; when the caller goes away meanwhile, undo what the store may have written all the same."""
        claim = asyncio.ensure_future(self._claim(container, wanted, *access))
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            undo = self._logged(self._undo(claim, container, keyed=wanted is not None), container.id)
            self._context.tasks.create_task(undo, name=f"undo {container.id}")
            raise
        except StoreFailed:
            self._unanswered.note(container, keyed=wanted is not None)
            raise

    async def _undo(self, claim: asyncio.Future[Container], container: Container, *, keyed: bool) -> None:
        try:
            claimed = await claim
        except StoreFailed:
            self._unanswered.note(container, keyed=keyed)
        except DevbenchError:
            return  # nothing was claimed
        else:
            seen = await self._ender.discard(claimed, "its caller went away")
            if seen.ending is None:
                self._unanswered.note(claimed, keyed=False)

    async def _claim(self, container: Container, wanted: Wanted | None, *access: Put | Remove) -> Container:
        """Record the intent with all its claims, before anything is made."""
        also = [*claim_alias(container), *access]
        if wanted is not None:
            also.append(self._context.keys.take(wanted.key, container.id, wanted.found))
        try:
            return await self._within_quota(container, *also)
        except Conflict as conflict:
            if conflict.details.get("kind") == ALIAS_KIND:
                raise Conflict(
                    f"alias {container.spec.alias!r} is taken by a living container",
                    hint="attach to it by this alias, or choose another one",
                ) from conflict
            raise

    async def _within_quota(self, container: Container, *also: Put | Remove) -> Container:
        async with self._quotas.turn(container.tenant):
            for _ in range(quotas.ATTEMPTS):
                quota = await self._quotas.claim(container.tenant)
                try:
                    saved = await self._context.repository.save(container, *also, *quota)
                except Conflict as conflict:
                    if not quotas.is_overtaken(conflict):
                        raise
                else:
                    self._quotas.claimed(container.tenant)
                    return saved
        raise Conflict(
            f"containers of tenant {container.tenant!r} are spawned on other hosts again and again in between",
            hint="repeat the call",
        )

    async def _finish(
        self, container: Container, image: Image, token: bytes | None, caller: Caller, wanted: Wanted | None
    ) -> Container:
        """Make what was claimed, unless it is there (no token); on any failure leave nothing but the ending."""
        future: asyncio.Future[Container] = asyncio.get_running_loop().create_future()
        made: list[str] = []
        if wanted is not None:
            self._under_way[wanted.key.record_key] = future
        try:
            seconds = self._context.settings.containers.spawn_timeout_s
            async with bound(seconds, "containers.spawn_timeout_s", f"container {container.id!r}"):
                if token is not None:
                    container = await self._build(container, image, token, made)
                if container.spec.run_entrypoint:
                    container = await self._enter(container, image)
                self._context.repository.remember(container.id, container)
        except BaseException as error:
            try:
                await self._give_up(container, error, made)
            finally:  # the caller may go away while it is undone, and others may wait for the same key
                future.set_exception(error if isinstance(error, DevbenchError) else _interrupted(container))
                future.exception()  # nobody may be waiting
            raise
        finally:
            if wanted is not None:
                self._under_way.pop(wanted.key.record_key, None)
        if wanted is not None:
            future.set_result(container)
        fields: dict[str, object] = {"image": container.spec.image, "runtime": container.runtime}
        self._context.emit("container.spawned", caller, container.id, fields)
        return container

    async def _build(self, container: Container, image: Image, token: bytes, made: list[str]) -> Container:
        context = self._context
        ref = await context.runtime.create(create_request(container, image, context.installation))
        made.append(ref)
        await context.runtime.start(ref)
        link = context.links.create(container.id, ref, token, claim=True)
        await link.channel()
        now = context.clock.now()
        status = Status.CREATING if container.spec.run_entrypoint else Status.RUNNING
        return await context.repository.save(
            attrs.evolve(container, ref=ref, status=status, started_at=now, last_used_at=now)
        )

    async def _enter(self, container: Container, image: Image) -> Container:
        """Run the image's own entry point; only then is it running: a repeat by key is told of nothing less."""
        await self._run_entrypoint(container, image)
        entered = await self._context.repository.change(container.id, status=Status.RUNNING)
        if entered.ending is not None:
            raise ended(entered)
        return entered

    async def _give_up(self, container: Container, error: BaseException, made: Sequence[str]) -> None:
        """Undo, in a task of the host's own: the caller may have gone away, or go away meanwhile."""
        undo = self._unmake(container, f"{type(error).__name__}: {error}"[:500], made)
        task = self._context.tasks.create_task(self._logged(undo, container.id), name=f"undo {container.id}")
        if isinstance(error, Exception):
            await asyncio.shield(task)

    async def _logged(self, undo: Awaitable[None], container_id: str) -> None:
        """Undo where nobody waits: a fault of a plugin must not end the host, and the next sweep tries again."""
        try:
            await undo
        except Exception:
            log.exception("container.undo_failed", container=container_id)

    async def _unmake(self, container: Container, message: str, made: Sequence[str]) -> None:
        """Record the ending and remove what was made, also when somebody killed it before it was all there."""
        seen = await self._ender.discard(container, message)
        if seen.ending is None:
            self._unanswered.note(container, keyed=False)
        seconds = self._context.settings.containers.kill_timeout_s
        for ref in made:
            try:
                async with bound(
                    seconds, "containers.kill_timeout_s", f"the removal of container {container.id!r}"
                ):
                    await self._context.runtime.remove(ref)
            except DevbenchError as error:
                log.warning("container.removal_postponed", container=container.id, error=str(error))


def _interrupted(container: Container) -> Cancelled:
    return Cancelled(
        f"the spawn of {container.id!r} was cancelled by the caller that began it", hint="repeat the call"
    )
