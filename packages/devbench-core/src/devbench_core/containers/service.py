"""The use case: each operation is one intent - validate, review, do, record, event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import attrs

from devbench_core.containers.context import Context
from devbench_core.containers.ending import BY_DEVBENCH, Ender, EndExecs
from devbench_core.containers.links import ended
from devbench_core.containers.reconcile import Reconciler, Recover, Report
from devbench_core.containers.repository import ATTACHMENT_KIND, ATTACHMENTS_MAX, LIVING, Repository
from devbench_core.containers.results import Attached, ContainerPage, Spawned
from devbench_core.contracts.store import Put
from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.forwarding.settings import FORWARDED_KIND
from devbench_core.ids import CONTAINER, is_id
from devbench_core.logs import get_logger
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import WORKSPACE, Container, ContainerEnding, EndReason, Status

if TYPE_CHECKING:
    from devbench_core.channel.link import AgentLink
    from devbench_core.containers.requests import SpawnRequest
    from devbench_core.containers.spawn import FirstCommand, ForgetImage, Progress, Resolve, Spawner, TakeWarm
    from devbench_core.containers.succession import Successor
    from devbench_core.containers.sweep import Forget, Sweeper
    from devbench_core.containers.unanswered import Unanswered
    from devbench_core.model.execution import Exec
    from devbench_core.model.finding import Finding

log = get_logger(__name__)
CLIENT_MAX = 100
KILLS_AT_ONCE = 8
SweepShells = Callable[[], Awaitable[None]]
ListExecs = Callable[[Container], Awaitable["tuple[Exec, ...]"]]


class Containers:
    """Spawn, attach, kill, inspect and list. ``container`` is an id or a living container's alias."""

    def __init__(
        self,
        context: Context,
        *,
        resolve_image: Resolve,
        forget_image: ForgetImage,
        run_entrypoint: FirstCommand,
        end_execs: EndExecs,
        recover_execs: Recover,
        running_execs: ListExecs,
        forget_execs: Forget,
        sweep_shells: SweepShells,
        take_warm: TakeWarm | None = None,
    ) -> None:
        self._context = context
        self._running_execs = running_execs
        self._sweep_shells = sweep_shells
        self._ender = Ender(context, end_execs)
        self._spawning = (resolve_image, forget_image, run_entrypoint, take_warm)
        self._reconciler = Reconciler(context, self._ender, recover_execs)
        self._forget_execs = forget_execs
        self._self = context.own

    # A command line that only looks does without these, and without what they import.

    @cached_property
    def _unanswered(self) -> Unanswered:
        from devbench_core.containers.unanswered import Unanswered

        return Unanswered(self._context, self._ender)

    @cached_property
    def _successor(self) -> Successor:
        from devbench_core.containers.succession import Successor

        return Successor(self._context, self._reconciler)

    @cached_property
    def _sweeper(self) -> Sweeper:
        from devbench_core.containers.sweep import Sweeper

        return Sweeper(self._context, self._ender, self._reconciler, self._running_execs, self._forget_execs)

    @cached_property
    def _spawner(self) -> Spawner:
        from devbench_core.containers.spawn import Spawner

        return Spawner(self._context, self._ender, *self._spawning, unanswered=self._unanswered)

    @property
    def repository(self) -> Repository:
        """The records."""
        return self._context.repository

    async def spawn(
        self, request: SpawnRequest, *, caller: Caller = LOCAL, progress: Progress | None = None
    ) -> Spawned:
        """Make a container and return when its first command can start.

        With an idempotency key a repeat within a day gives the same container with ``replayed`` set; a spawn
        that failed frees its key and its alias.

        Args:
            request: What is wanted.
            caller: Who asks.
            progress: Told about a pull.

        Raises:
            ValidationFailed: A field is wrong; nothing was done.
            Conflict: The alias is taken, or the key stands for another request.
            QuotaExceeded: The tenant has as many living containers as it may have.
            NotEnforced: The runtime cannot enforce the policy.
            Vetoed: A reviewer refuses.
            ImageRefused: The image is not allowed.
            ImageNotFound: There is no such image.
            EngineUnreachable: The engine did not answer; whatever was begun is removed later.
            TimedOut: It took longer than ``containers.spawn_timeout_s``. What was made is removed before any of these
                errors is told, or later, where that takes longer than twice ``containers.kill_timeout_s``.
        """
        return await self._spawner.spawn(request, caller, progress)

    async def get(self, container: str, *, caller: Caller = LOCAL) -> Container:
        """Return the record of a container, living or ended.

        Raises:
            ContainerNotFound: The caller's tenant has no such container.
        """
        return await self._context.repository.find(container, caller.tenant)

    async def inspect(self, container: str, *, caller: Caller = LOCAL) -> Container:
        """Return the record after asking the engine, so that an exit is seen at once.

        Raises:
            ContainerNotFound: The caller's tenant has no such container.
        """
        found = await self.get(container, caller=caller)
        if found.ending is not None or found.status is Status.CREATING:
            return found
        return await self._reconciler.examine(found)

    async def living(self, container: str, *, caller: Caller = LOCAL) -> Container:
        """Return a container that can be used, and note the use.

        Raises:
            ContainerNotFound: The caller's tenant has no such container.
            ContainerExited: It has ended.
        """
        found = await self._context.repository.bound(container, caller.tenant)
        if found.ending is not None:
            raise ended(found)
        self._sweeper.touch(found.id)
        return found

    async def attach(
        self, container: str, *, client: str, session: str = "", caller: Caller = LOCAL
    ) -> Attached:
        """Record a client's interest and return what it needs to go on. A repeat only renews it.

        Raises:
            ValidationFailed: The client's name is empty or too long.
            ContainerNotFound: The caller's tenant has no such container.
            ContainerExited: It has ended.
        """
        for field, text, least in (("client", client, 1), ("session", session, 0)):
            if not least <= len(text) <= CLIENT_MAX or "/" in text:
                raise ValidationFailed(
                    field, f"must be {least}-{CLIENT_MAX} characters without '/'", limit=CLIENT_MAX
                )
        found = await self.living(container, caller=caller)
        self._context.review("container.attach", caller, container_id=found.id)
        at = self._context.clock.now().isoformat()
        key = f"{found.id}/{client}/{session}"[:200]
        await self._room_for(found.id, key)
        await self._context.repository.store.apply(
            Put(
                kind=ATTACHMENT_KIND,
                key=key,
                data={"client": client, "session": session, "subject": caller.subject, "at": at},
                terms=frozenset({f"container={found.id}"}),
            )
        )
        self._context.emit("container.attached", caller, found.id, {"client": client})
        return Attached(
            container=found, execs=await self._running_execs(found), workspace=PurePosixPath(WORKSPACE)
        )

    async def _room_for(self, container_id: str, key: str) -> None:
        """Refuse one more interest than is remembered; renewing one is always possible."""
        terms = frozenset({f"container={container_id}"})
        page = await self._context.repository.store.list(ATTACHMENT_KIND, terms=terms, limit=ATTACHMENTS_MAX)
        if len(page.records) >= ATTACHMENTS_MAX and key not in {record.key for record in page.records}:
            raise ValidationFailed(
                "session",
                f"{ATTACHMENTS_MAX} are attached already",
                hint="use a session again",
                limit=ATTACHMENTS_MAX,
            )

    async def kill(self, container: str, *, caller: Caller = LOCAL) -> Container:
        """End a container with everything in it, and remove it. A repeat returns the first ending.

        Raises:
            ContainerNotFound: The caller's tenant has no such container.
            EngineUnreachable: The engine did not answer; the ending is recorded and the removal follows.
            TimedOut: It was not done within ``containers.kill_timeout_s``. The removal follows if the ending was
                recorded; repeat the call to be sure.
        """
        repository = self._context.repository
        # An id means the same for ever, and ending it compares revisions; what an alias means must be looked up.
        look = repository.bound if is_id(container, CONTAINER) else repository.find
        found = await look(container, caller.tenant)
        if found.status is Status.GONE:
            return found
        self._context.review("container.kill", caller, container_id=found.id)
        now = self._context.clock.now()
        ending = ContainerEnding(reason=EndReason.KILLED, at=now, by=caller.subject)
        return await self._ender.end(found, ending, caller)

    async def list(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        include_ended: bool = False,
        after: str = "",
        limit: int = 100,
        caller: Caller = LOCAL,
    ) -> ContainerPage:
        """Return a page of the tenant's containers that have all the labels.

        Raises:
            ValidationFailed: The limit is out of bounds.
        """
        most = self._context.settings.containers.page_max
        if not 1 <= limit <= most:
            raise ValidationFailed("limit", f"must be 1-{most}", limit=most)
        containers, cursor = await self._context.repository.page(
            caller.tenant, labels or {}, include_ended=include_ended, after=after, limit=limit
        )
        return ContainerPage(containers=containers, cursor=cursor)

    async def link(self, container: Container) -> AgentLink:
        """Return the living link to a container's agent; for the use cases built on it."""
        return await self._context.links.of(container)

    async def reconcile(self) -> Report:
        """Bring records and engine together once."""
        return await self._reconciler.run()

    async def tend(self) -> None:
        """Do what each host does for itself again and again: note uses and exits of shells, adopt what is left."""
        await self.note()
        await self._reconciler.run(reap=False)

    async def note(self) -> None:
        """Write down what only this host knows: uses, exits of shells, kills that were not confirmed."""
        await self._sweep_shells()
        if "_unanswered" in self.__dict__:
            await self._unanswered.settle()
        await self._sweeper.note()

    async def reap(self) -> None:
        """Do what one host does for the whole installation: end what is due, remove what is left or long over."""
        await self._sweeper.reap()
        await self._ender.settle()

    async def due(self) -> tuple[Finding, ...]:
        """Say what `reap` would end or remove now, and why; orphans in their grace, too. Nothing is changed.

        Raises:
            EngineUnreachable: The engine did not answer, so nothing can be said.
        """
        from devbench_core.containers.due import due

        return tuple([found async for found in due(self._context, self._sweeper, self._running_execs)])

    async def wants_round(self) -> bool:
        """Tell whether a command line had better do a round: no host stays that would, and something is due."""
        try:
            return not await self._others_stay() and await self._is_something_due()
        except Exception as error:  # noqa: BLE001 - a round does what it can, and logs what it cannot
            log.debug("containers.due_unknown", error=repr(error))
            return True

    async def _is_something_due(self) -> bool:
        if (await self._context.repository.store.list(FORWARDED_KIND, limit=1)).records:
            return True  # of calls between hosts `due` does not tell
        from devbench_core.containers.due import due

        async with aclosing(due(self._context, self._sweeper, self._running_execs)) as findings:
            async for found in findings:
                if found.due_in_s <= 0:
                    return True
        return False

    async def sweep(self) -> None:
        """Do both."""
        await self.tend()
        await self.reap()

    async def beat(self) -> None:
        """Say in the store that this host lives; a short command says so with what it writes first."""
        if self._context.signed.may_be_known:
            await self._context.instances.beat(self._self)

    async def succeed(self) -> None:
        """Take over at once what hosts were responsible for that died since the last look."""
        await self._successor.round()

    async def stopping(self) -> None:
        """Say that this host is about to end: from now on no other one leaves anything to it."""
        if self._context.serving:  # nothing is left to others
            self._self = attrs.evolve(self._self, stopping=True)
            await self.beat()

    async def leave(self) -> None:
        """End this host's responsibility: kill its containers that are not persistent, then sign off.

        With ``lifetimes.hand_over`` they are left to another host that stays, if there is one; it finds them, and what
        runs in them, as soon as this one has signed off. If there is none, this host ends also what others left that
        stop with it: one of them may have left it before this one said that it stops, too.

        What the engine does not answer for is recorded as ended, and removed by the next host's first sweep.
        """
        if self._context.serving:
            heirs = await self.has_heirs()
            living = [
                container
                async for container in self._context.repository.all(LIVING)
                if not container.spec.persistent
                and container.runtime == self._context.runtime.name  # another engine's is not ours to remove
                and await self._is_left_to_us(container, alone=not heirs)
            ]
            at_once = asyncio.Semaphore(KILLS_AT_ONCE)
            if heirs:
                log.info("containers.handed_over", containers=len(living))
                living = []
            await asyncio.gather(*(self._leave_one(container, at_once) for container in living))
        await self._ender.settle()
        await self._context.signed.withdraw()

    async def has_heirs(self) -> bool:
        """Tell whether what this host was responsible for is left to another one."""
        return self._context.settings.lifetimes.hand_over and await self._others_stay()

    async def _others_stay(self) -> bool:
        """Tell whether another host looks after this installation's containers."""
        hosts = await self._context.instances.all()
        runtimes = ("", self._context.runtime.name)
        return any(
            lives
            and host.serving
            and not host.stopping
            and host.id != self._context.instance
            and host.runtime in runtimes  # no other can end or adopt what is left
            for host, lives in hosts
        )

    async def _is_left_to_us(self, container: Container, *, alone: bool) -> bool:
        if container.instance == self._context.instance:
            return True
        if not alone or not self._context.settings.lifetimes.hand_over:
            return False
        return not await self._context.instances.stays(container.instance)

    async def _leave_one(self, container: Container, at_once: asyncio.Semaphore) -> None:
        now = self._context.clock.now()
        message = "its host shut down and it is not persistent"
        ending = ContainerEnding(reason=EndReason.KILLED, at=now, by=BY_DEVBENCH, message=message)
        async with at_once:
            try:
                await self._ender.end(container, ending, None)
            except DevbenchError as error:
                log.warning("container.end_postponed", container=container.id, error=str(error))

    async def settle(self) -> None:
        """Wait until what was confirmed of killed containers is written (bounded); their events follow that."""
        await self._ender.settle()

    async def close(self) -> None:
        """Write down what is known, and close the channels to all agents."""
        await self._ender.settle()
        await self._context.links.close_all()
