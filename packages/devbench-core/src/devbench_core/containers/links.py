"""One living link to the agent of each container in use, and the tokens that open it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from devbench_core.channel.link import AgentLink
from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.store import Put, Remove, Store
from devbench_core.errors import AgentUnavailable, ContainerExited
from devbench_core.model.container import Container

TOKEN_KIND = "container_token"  # noqa: S105 - the name of a collection
TOKEN_BYTES = 32


def new_token() -> bytes:
    """Return a fresh token for one container's agent."""
    return secrets.token_bytes(TOKEN_BYTES)


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
        tasks: asyncio.TaskGroup,
        look: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._look = look
        self._runtime = runtime
        self._store = store
        self._instance = instance
        self._limits = limits
        self._tasks = tasks
        self._links: dict[str, AgentLink] = {}

    def create(self, container_id: str, ref: str, token: bytes, *, claim: bool) -> AgentLink:
        """Make the link of a container; ``claim`` sets the token in an agent that has none yet."""
        look = self._look
        link = AgentLink(
            connect=lambda: self._runtime.connect(ref),
            token=token,
            claim=claim,
            instance=self._instance,
            limits=self._limits,
            tasks=self._tasks,
            on_cut=None if look is None else lambda: look(container_id),
        )
        self._links[container_id] = link
        return link

    async def of(self, container: Container) -> AgentLink:
        """Return the link of a living container, made on first use.

        Raises:
            ContainerExited: It has ended.
            AgentUnavailable: Its token is gone, so nobody can reach its agent.
        """
        if container.ending is not None:
            raise ended(container)
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

    @asynccontextmanager
    async def removing(self, container_id: str) -> AsyncGenerator[None]:
        """Forget the link of a container that is removed in the block; its channel may end in it, and does after it.

        A channel that is closed first makes engines slower to remove the container.
        """
        link = self._links.pop(container_id, None)
        if link is not None:
            link.retire()
        try:
            yield
        finally:
            if link is not None:
                await link.aclose()

    async def close_all(self) -> None:
        """Close every link."""
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
