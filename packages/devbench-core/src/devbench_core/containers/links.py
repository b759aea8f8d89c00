"""One living link to the agent of each container in use, and of each user in it, and the tokens that open it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.store import Put, Remove, Store
from devbench_core.errors import AgentUnavailable, ContainerExited
from devbench_core.model.container import Container

if TYPE_CHECKING:
    from devbench_core.channel.link import AgentLink, Connect
    from devbench_core.containers.guests import Alive, Guests
    from devbench_core.contracts.stream import ByteStream

TOKEN_KIND = "container_token"  # noqa: S105 - the name of a collection


def keep_token(container_id: str, token: bytes) -> Put:
    """Return the change that stores a token, so that the next host can open a channel."""
    return Put(kind=TOKEN_KIND, key=container_id, data={"token": token.hex()}, expect=0)


def forget_token(container_id: str) -> Remove:
    """Return the change that removes a token."""
    return Remove(kind=TOKEN_KIND, key=container_id)


class Links:
    """The links of this host, by container id."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        store: Store,
        instance: str,
        limits: ChannelLimits,
        running_max: int,
        tasks: asyncio.TaskGroup,
        alive: Alive,
        announce: Callable[[], Awaitable[None]],
        look: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._look = look
        self._runtime = runtime
        self._store = store
        self._instance = instance
        self._limits = limits
        self._running_max = running_max
        self._tasks = tasks
        self._links: dict[str, AgentLink] = {}
        self._alive = alive
        self._announce = announce
        self._made_guests: Guests | None = None

    @property
    def _guests(self) -> Guests:
        if self._made_guests is None:
            from devbench_core.containers.guests import Guests  # nothing to whoever uses no container

            self._made_guests = Guests(
                runtime=self._runtime,
                store=self._store,
                instance=self._instance,
                limits=self._limits,
                tasks=self._tasks,
                alive=self._alive,
                make=self._make,
            )
        return self._made_guests

    def create(self, container_id: str, ref: str, token: bytes, *, claim: bool) -> AgentLink:
        """Make the link of a container; ``claim`` sets the token in an agent that has none yet."""
        link = self._make(container_id, lambda: self._runtime.connect(ref), token, claim=claim)
        self._links[container_id] = link
        return link

    def _make(self, container_id: str, connect: Connect, token: bytes, *, claim: bool = False) -> AgentLink:
        from devbench_core.channel.link import AgentLink  # half of what a short command line would import

        look = self._look

        async def known() -> ByteStream:
            await self._announce()  # the agent's list of commands names us, and the others look us up
            return await connect()

        return AgentLink(
            connect=known,
            token=token,
            claim=claim,
            instance=self._instance,
            limits=self._limits,
            tasks=self._tasks,
            running_max=self._running_max,
            on_cut=None if look is None else lambda: look(container_id),
        )

    async def of(self, container: Container, user: str = "", *, start: bool = False) -> AgentLink:
        """Return the link of a living container, made on first use.

        Args:
            container: Where.
            user: Another user than the container's, ``uid:gid``: the link to the agent that runs that one's commands.
            start: Whether to start that agent where none lives.

        Raises:
            ContainerExited: It has ended.
            AgentGone: No agent of that user lives, and none is to be started.
            AgentUnavailable: Its token is gone, so nobody can reach its agent; or that of the user cannot be started.
        """
        if container.ending is not None:
            raise ended(container)
        if user:
            return await self._guests.of(container, user, start=start)
        link = self._links.get(container.id)
        if link is not None:
            return link
        record = await self._store.get(TOKEN_KIND, container.id)
        if record is None or not container.ref:
            raise AgentUnavailable(
                f"container {container.id!r} is not ready", hint="wait until its status is running"
            )
        link = self._links.get(container.id)  # somebody may have made it while we read
        if link is not None:
            return link
        token = bytes.fromhex(str(record.data["token"]))
        return self.create(container.id, container.ref, token, claim=False)

    async def forget_unused(self, container_id: str) -> bool:
        """Forget the link of a container that another host may have removed, unless it is open or waited for.

        Returns:
            Whether there is none any more; whoever wants it makes it anew.
        """
        link = self._links.get(container_id)
        if link is not None and link.is_unused:
            del self._links[container_id]
            await link.aclose()
        return container_id not in self._links

    async def forget_ended(self, has_ended: Callable[[str], Awaitable[bool]]) -> None:
        """Forget the links to containers that another host ended, unless one of them is open or waited for.

        Args:
            has_ended: Tells whether a container is over.
        """
        used, unused = set[str](), set[str]()
        for container_id, link in (*self._links.items(), *self._guests.all()):
            (unused if link.is_unused else used).add(container_id)
        for container_id in unused - used:
            if await has_ended(container_id):
                for link in self._take(container_id):
                    await link.aclose()

    @asynccontextmanager
    async def removing(self, container_id: str) -> AsyncGenerator[None]:
        """Forget the links of a container that is removed in the block; channels may end in it, and do after it.

        A channel that is closed first makes engines slower to remove the container.
        """
        links = self._take(container_id)
        for link in links:
            link.retire()
        try:
            yield
        finally:
            for link in links:
                await link.aclose()

    def _take(self, container_id: str) -> list[AgentLink]:
        links = self._guests.take(container_id)
        if container_id in self._links:
            links.append(self._links.pop(container_id))
        return links

    async def close_all(self) -> None:
        """Close every link."""
        if self._made_guests is not None:
            for link in self._made_guests.take_all():
                await link.aclose()
        while self._links:
            _, link = self._links.popitem()
            await link.aclose()


def ended(container: Container) -> ContainerExited:
    """Return the error for a container that has ended, saying why it did."""
    ending = container.ending
    why = f"{ending.reason} by {ending.by} at {ending.at:%Y-%m-%d %H:%M:%S} UTC" if ending else "ended"
    return ContainerExited(
        f"container {container.id!r} has ended: {why}",
        hint="spawn a new one",
        details={
            "container_id": container.id,
            "reason": str(ending.reason) if ending else "",
            "message": ending.message if ending else "",
        },
    )
