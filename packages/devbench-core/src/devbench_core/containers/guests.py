"""The agents that run commands as other users than their containers': one for each user, started when it is needed.

That one lives, on however many hosts there are, is the store's doing: whoever wants to start one first writes that it
does, with the token that the agent will have, where nothing or only a dead one was written before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from devbench_core.channel.settings import ChannelLimits
from devbench_core.containers import guest_records as records
from devbench_core.containers.guest_records import Guest
from devbench_core.containers.guest_watch import UNANSWERED_MAX, until_silent
from devbench_core.containers.tokens import new_token
from devbench_core.contracts.powers import SupportsUsers, users_of
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.store import Store
from devbench_core.errors import (
    AgentGone,
    AgentMisbehaved,
    AgentSilent,
    AgentUnavailable,
    Conflict,
    DevbenchError,
    Unauthorised,
)
from devbench_core.logs import get_logger
from devbench_core.model.container import Container

if TYPE_CHECKING:
    from devbench_core.channel.link import AgentLink, Connect

log = get_logger(__name__)
LOOK_EVERY_S = 0.05  # how often the store is asked whether another host has started what it is starting
STARTS_MAX = 3  # for one caller; one that ends at once will go on doing so
MakeLink = Callable[[str, "Connect", bytes], "AgentLink"]
Alive = Callable[[str], Awaitable[bool]]


@attrs.define(eq=False)
class _Known:
    """The link to one agent, by the token that tells it from those before and after it.

    Attributes:
        link: To it.
        token: Its own.
        silent: How often it said nothing on a fresh stream, since it last did.
        watch: Replaces it when it stays silent.
    """

    link: AgentLink
    token: bytes
    silent: int = 0
    watch: asyncio.Task[None] | None = None

    def leave(self) -> AgentLink:
        """Return the link, and watch it no longer."""
        if self.watch is not None:
            self.watch.cancel()
        return self.link


class Guests:
    """The links of this host to such agents.

    Args:
        runtime: May be one that has no users; then none is ever started.
        store: Where each agent's token and handle are.
        instance: This host's id.
        limits: Bounds of the channels; ``connect_timeout_s`` also of waiting for another host's start.
        tasks: Owns what is under way, which outlives whoever asked for it first.
        alive: Tells whether another host lives.
        make: Makes a link, given the container's id, a way to connect and the token.
    """

    def __init__(
        self,
        *,
        runtime: Runtime,
        store: Store,
        instance: str,
        limits: ChannelLimits,
        tasks: asyncio.TaskGroup,
        alive: Alive,
        make: MakeLink,
    ) -> None:
        self._runtime = runtime
        self._store = store
        self._instance = instance
        self._limits = limits
        self._tasks = tasks
        self._alive = alive
        self._make = make
        self._known: dict[str, _Known] = {}
        self._flights: dict[tuple[str, bool], asyncio.Future[AgentLink]] = {}
        self._awaited: dict[str, tuple[bytes, float]] = {}
        self._closing = False

    async def of(self, container: Container, user: str, *, start: bool) -> AgentLink:
        """Return the link to a user's agent in a living container; its channel is open.

        Args:
            container: Where.
            user: ``uid:gid``, as its policy has it.
            start: Whether to start one where none lives.

        Raises:
            AgentGone: None lives, and none is to be started.
            NotEnforced: This runtime cannot start any.
            ContainerExited: The container does not run.
            AgentUnavailable: It cannot be started or reached now.
        """
        key = records.key_of(container.id, user)
        known = self._known.get(key)
        if known is not None and known.link.is_open and (key, True) not in self._flights:
            return known.link
        return await self._flown(container, user, start=start)

    def all(self) -> list[tuple[str, AgentLink]]:
        """Return all links, each with the id of its container."""
        return [(records.container_of(key), known.link) for key, known in self._known.items()]

    def take(self, container_id: str) -> list[AgentLink]:
        """Return the links of a container that is removed; they are this object's no longer."""
        keys = [key for key in self._known if records.container_of(key) == container_id]
        return [self._known.pop(key).leave() for key in keys]

    def take_all(self) -> list[AgentLink]:
        """Return all links; they are this object's no longer."""
        self._closing = True
        found = [known.leave() for known in self._known.values()]
        self._known.clear()
        return found

    async def _flown(
        self, container: Container, user: str, *, start: bool, silent: _Known | None = None
    ) -> AgentLink:
        """Return what the attempt under way finds, or a new one."""
        key = records.key_of(container.id, user)
        flight = self._flights.get((key, True)) or self._flights.get((key, start))
        if flight is None:
            flight = self._flights[key, start] = asyncio.get_running_loop().create_future()
            work = self._fly(flight, container, user, start=start, silent=silent)
            self._tasks.create_task(work, name=f"agent of {key}")
        return await asyncio.shield(flight)

    async def _fly(
        self,
        flight: asyncio.Future[AgentLink],
        container: Container,
        user: str,
        *,
        start: bool,
        silent: _Known | None,
    ) -> None:
        try:
            async with asyncio.timeout(2 * self._limits.connect_timeout_s):
                flight.set_result(await self._open(container, user, start=start, silent=silent))
        except TimeoutError:
            flight.set_exception(
                AgentUnavailable(
                    f"no agent of user {user} in container {container.id!r} answered in time",
                    hint="channel.connect_timeout_s is half the bound",
                )
            )
        except DevbenchError as error:
            flight.set_exception(error)
        except asyncio.CancelledError:
            flight.set_exception(AgentUnavailable("this host is closing", hint="ask another one"))
            raise
        except Exception as error:
            log.exception("guest.failed", container=container.id, user=user)
            flight.set_exception(AgentUnavailable(f"the agent of user {user} failed: {error!r}"))
        finally:
            del self._flights[records.key_of(container.id, user), start]
            flight.exception()  # nobody may be left

    async def _open(
        self, container: Container, user: str, *, start: bool, silent: _Known | None
    ) -> AgentLink:
        """Return an open link; ``silent`` is one that is not to be asked again, for another shall be started."""
        runtime, starts = users_of(self._runtime), 0
        while True:
            found = await records.load(self._store, container.id, user)
            if found is not None and found.ready and silent is not None and silent.token == found.token:
                log.warning("guest.silent", container=container.id, user=user, pid=found.pid)
            elif found is not None and found.ready:
                link = await self._reach(runtime, container, user, found, start=start)
                if link is not None:
                    return link
            elif found is not None and await self._is_under_way(found):
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            elif not start:
                raise AgentGone(f"no agent of user {user} runs in container {container.id!r}")
            if starts == STARTS_MAX:
                raise AgentUnavailable(
                    f"the agent of user {user} in container {container.id!r} ends as soon as it is started",
                    hint="see whether the container has memory and processes left",
                )
            starts += 1
            await self._start(runtime, container, user, found)

    async def _is_under_way(self, found: Guest) -> bool:
        """Tell whether another host may still be starting an agent; one that failed to take that back is not."""
        key, now = records.key_of(found.container_id, found.user), asyncio.get_running_loop().time()
        token, since = self._awaited.get(key, (b"", now))
        if token != found.token:
            since = now
        self._awaited[key] = (found.token, since)
        if found.instance == self._instance or now - since > 2 * self._limits.connect_timeout_s:
            return False
        return await self._alive(found.instance)

    async def _reach(
        self, runtime: SupportsUsers, container: Container, user: str, guest: Guest, *, start: bool
    ) -> AgentLink | None:
        """Return an open link to an agent that was started; None when it is gone and another shall be started."""
        key = records.key_of(container.id, user)
        self._awaited.pop(key, None)
        known = self._known.get(key)
        if known is None or known.token != guest.token:
            known = self._replace(runtime, container, user, guest)
        try:
            await known.link.channel()
            known.silent = 0
        except (AgentGone, Unauthorised) as error:
            await self._drop(key, known, error)
            if start:
                log.info("guest.gone", container=container.id, user=user, error=error.message)
                return None
            raise AgentGone(error.message, details=error.details) from error
        except AgentSilent as error:
            known.silent += 1
            if not start or known.silent < UNANSWERED_MAX:
                raise
            log.warning("guest.silent", container=container.id, user=user, error=error.message)
            return None  # its successor ends it, if that can be started
        return known.link

    def _replace(self, runtime: SupportsUsers, container: Container, user: str, guest: Guest) -> _Known:
        key = records.key_of(container.id, user)
        old = self._known.get(key)
        if old is not None:  # another host started a newer one
            why = "stayed silent, and" if old.silent >= UNANSWERED_MAX else "ended, and"
            gone = AgentGone(f"the agent of user {user} in container {container.id!r} {why} was replaced")
            self._tasks.create_task(old.leave().give_up(gone), name=f"former agent of {key}")
        link = self._make(
            container.id,
            lambda: runtime.connect_guest(container.ref, user, guest.handle, guest.pid),
            guest.token,
        )
        known = self._known[key] = _Known(link, guest.token)
        if not self._closing:
            known.watch = self._tasks.create_task(self._watch(container, user, known), name=f"watch of {key}")
        return known

    async def _watch(self, container: Container, user: str, known: _Known) -> None:
        """Have an agent replaced that stays silent, as often as that fails: a container that is frozen starts none."""
        while True:
            await until_silent(known.link)
            known.silent = UNANSWERED_MAX
            try:
                await self._flown(container, user, start=True, silent=known)
            except DevbenchError as error:
                known.silent = 0
                log.warning("guest.not_replaced", container=container.id, user=user, error=error.message)

    async def _drop(self, key: str, known: _Known, error: DevbenchError) -> None:
        if self._known.get(key) is known:
            del self._known[key]
        await known.leave().give_up(error)

    async def _start(
        self, runtime: SupportsUsers, container: Container, user: str, found: Guest | None
    ) -> None:
        """Start an agent, unless another host was first; either way there is news in the store.

        What was there before is there again when none can be started: the former one may live, in a frozen container.
        """
        guest = Guest(
            container_id=container.id,
            user=user,
            token=new_token(),
            instance=self._instance,
            revision=0 if found is None else found.revision,
        )
        try:
            guest = await records.save(self._store, guest)
        except Conflict:
            return
        try:
            ready = await self._claimed(runtime, container, guest)
            await records.save(self._store, ready)
        except Conflict:
            return  # somebody took this host for dead, or ended the container
        except BaseException:  # a cancellation too: the record is of what runs
            await asyncio.shield(records.take_back(self._store, guest, found))
            raise
        log.info("guest.started", container=container.id, user=user, pid=ready.pid)

    async def _claimed(self, runtime: SupportsUsers, container: Container, guest: Guest) -> Guest:
        """Start the agent and give it its token on its standard streams, where nobody else can be first."""
        from devbench_core.channel.channel import AgentChannel

        started = await runtime.start_guest(container.ref, guest.user)
        async with AgentChannel.open(
            started.stream, token=guest.token, claim=True, instance=self._instance, limits=self._limits
        ) as channel:
            agent = channel.agent
        if f"{agent.uid}:{agent.gid}" != guest.user:
            raise AgentMisbehaved(
                f"the agent that was started as user {guest.user} runs as {agent.uid}:{agent.gid}",
                hint="this engine does not run processes as the user that is asked for",
            )
        return attrs.evolve(guest, handle=started.handle, pid=agent.pid, ready=True)
