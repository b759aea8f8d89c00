"""What each operation on files goes through: validate, resolve, review, ask the agent, translate what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import PurePosixPath
from weakref import WeakValueDictionary

import attrs

from devbench_core.bounds import bound
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.link import AgentLink
from devbench_core.channel.replies import FileRefused, RequestRefused
from devbench_core.clock import Clock
from devbench_core.errors import Vetoed
from devbench_core.files.paths import Path, absolute_path, agent_path
from devbench_core.files.roots import require_roots, root_of, telling
from devbench_core.files.settings import FileLimits
from devbench_core.files.translate import error_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Event, Request, Veto

TURN_REVIEWS = 256  # paths reviewed before other tasks get a turn


@attrs.frozen(kw_only=True, eq=False)
class FileContext:
    """The collaborators of `Files`, as in `ExecContext`. ``resolve`` notes the use of the container."""

    clock: Clock
    limits: FileLimits
    resolve: Callable[[str, Caller], Awaitable[Container]]
    link: Callable[[Container], Awaitable[AgentLink]]
    review: Callable[[Request], Veto | None]
    emit: Callable[[Event], None]


class Operations:
    """A room of `Files`: operations of one kind."""

    def __init__(self, context: FileContext) -> None:
        self._context = context
        self._limits = context.limits
        self._turns: WeakValueDictionary[tuple[str, bool], asyncio.Semaphore] = WeakValueDictionary()
        self._pairs: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def _request(
        self,
        operation: str,
        container: str,
        path: Path,
        caller: Caller,
        *,
        to: bytes | None = None,
        waits: bool = False,
    ) -> AsyncGenerator[tuple[AgentChannel, bytes, Container]]:
        """Validate, resolve, review, and translate what the agent says in the block.

        A reviewer of an operation with two paths is asked twice: about the first, then about ``to``. An operation
        that only ``waits`` takes no place of those that work.
        """
        where = agent_path(path, self._limits)
        found = await self._context.resolve(container, caller)
        paths = [where] if to is None else [where, to]
        for one in paths:
            self._review(operation, caller, found, one)
        doing = f"{operation} of {str(absolute_path(where))!r}"
        async with self._agent(found, paths, doing, waits=waits) as channel:
            yield channel, where, found

    async def root_of(self, container: str, path: Path, *, caller: Caller = LOCAL) -> PurePosixPath:
        """Return the root that a path lies beneath: the workspace, or one of the container's further ones.

        Raises:
            PathOutside: It is beneath none of them; the hint names them.
        """
        where = agent_path(path, self._limits)
        found = await self._context.resolve(container, caller)
        return absolute_path(root_of(where, found.spec.policy.file_roots))

    @asynccontextmanager
    async def _several(
        self, doing: str, container: str, reviews: Sequence[tuple[str, bytes]], caller: Caller
    ) -> AsyncGenerator[tuple[AgentChannel, Container]]:
        """The same for several paths: each is reviewed under the name of what is done with it."""
        found = await self._context.resolve(container, caller)
        for number, (operation, where) in enumerate(reviews):
            if number % TURN_REVIEWS == TURN_REVIEWS - 1:
                await asyncio.sleep(0)
            self._review(operation, caller, found, where)
        async with self._agent(found, [where for _, where in reviews], doing) as channel:
            yield channel, found

    @asynccontextmanager
    async def _unbound(
        self, operation: str, container: str, where: bytes, caller: Caller, *, holds: bool = True
    ) -> AsyncGenerator[tuple[AgentChannel, Container]]:
        """The same for streams, whose length is the caller's affair; waits for the agent are bounded one by one.

        What does not ``hold`` a place for all its length takes one for each of its requests.
        """
        found = await self._context.resolve(container, caller)
        self._review(operation, caller, found, where)
        async with self._turn(found.id, waits=False) if holds else nullcontext():
            channel = await self._channel(found, [where])
            with telling(found.spec.policy.file_roots):
                try:
                    yield channel, found
                except (FileRefused, RequestRefused) as error:
                    raise error_of(error, where) from error

    @asynccontextmanager
    async def _agent(
        self, found: Container, paths: Sequence[bytes], doing: str, *, waits: bool = False
    ) -> AsyncGenerator[AgentChannel]:
        async with (
            bound(self._limits.operation_timeout_s, "files.operation_timeout_s", doing),
            self._turn(found.id, waits=waits),
        ):
            channel = await self._channel(found, paths)
            with telling(found.spec.policy.file_roots):
                try:
                    yield channel
                except (FileRefused, RequestRefused) as error:
                    raise error_of(error, paths[0] if paths else b"") from error

    async def _channel(self, found: Container, paths: Sequence[bytes]) -> AgentChannel:
        channel = await (await self._context.link(found)).channel()
        require_roots(channel, paths)
        return channel

    @asynccontextmanager
    async def _turn(self, container_id: str, *, waits: bool) -> AsyncGenerator[None]:
        """Wait for a place among the operations on a container: its agent refuses more than a few at once."""
        limits = self._limits
        turns = self._turns.get((container_id, waits))
        if turns is None:
            most = limits.watch_concurrent_max if waits else limits.concurrent_max
            turns = self._turns[(container_id, waits)] = asyncio.Semaphore(most)
        async with turns:
            yield

    @asynccontextmanager
    async def _pair(self, container: str, caller: Caller) -> AsyncGenerator[None]:
        """Wait until two operations that feed each other may take their places; only half of the places are for such.

        Otherwise as many as there are places could each hold one and wait for its second, for ever.
        """
        found = await self._context.resolve(container, caller)
        pairs = self._pairs.get(found.id)
        if pairs is None:
            pairs = self._pairs[found.id] = asyncio.Semaphore(self._limits.concurrent_max // 2)
        async with pairs:
            yield

    def _review(self, operation: str, caller: Caller, found: Container, where: bytes) -> None:
        root_of(where, found.spec.policy.file_roots)  # nobody is asked about what lies outside
        request = Request(
            operation=operation, caller=caller, container_id=found.id, subject=str(absolute_path(where))
        )
        veto = self._context.review(request)
        if veto is not None:
            raise Vetoed(
                f"{operation} was refused by {veto.clause}: {veto.reason}", details={"clause": veto.clause}
            )

    def _tell(self, name: str, caller: Caller, container: Container, fields: dict[str, object]) -> None:
        event = Event(
            name=name, at=self._context.clock.now(), caller=caller, container_id=container.id, fields=fields
        )
        self._context.emit(event)
