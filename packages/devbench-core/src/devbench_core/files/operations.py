"""What each operation on files goes through: validate, resolve, review, ask the agent, translate what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from weakref import WeakKeyDictionary

import attrs

from devbench_core.bounds import bound
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.link import AgentLink
from devbench_core.channel.replies import FileRefused, RequestRefused
from devbench_core.clock import Clock
from devbench_core.errors import Vetoed
from devbench_core.files.paths import Path, absolute_path, relative_path
from devbench_core.files.settings import FileLimits
from devbench_core.files.translate import error_of
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Event, Request, Veto

Turns = WeakKeyDictionary[AgentChannel, asyncio.Semaphore]
WAITING = frozenset({"file.watch"})


@attrs.frozen(kw_only=True, eq=False)
class FileContext:
    """The collaborators of `Files`, as in `ExecContext`. ``resolve`` notes the use of the container.

    ``turns`` are the places of each channel, shared by all rooms.
    """

    clock: Clock
    limits: FileLimits
    resolve: Callable[[str, Caller], Awaitable[Container]]
    link: Callable[[Container], Awaitable[AgentLink]]
    review: Callable[[Request], Veto | None]
    emit: Callable[[Event], None]
    turns: Turns = attrs.field(init=False, factory=Turns)


class Operations:
    """A room of `Files`: operations of one kind."""

    def __init__(self, context: FileContext) -> None:
        self._context = context
        self._limits = context.limits

    @asynccontextmanager
    async def _request(
        self, operation: str, container: str, path: Path, caller: Caller
    ) -> AsyncGenerator[tuple[AgentChannel, bytes, Container]]:
        """Validate, resolve, review, and translate what the agent says in the block."""
        where = relative_path(path, self._limits)
        found = await self._context.resolve(container, caller)
        request = Request(
            operation=operation, caller=caller, container_id=found.id, subject=str(absolute_path(where))
        )
        veto = self._context.review(request)
        if veto is not None:
            raise Vetoed(
                f"{operation} was refused by {veto.clause}: {veto.reason}", details={"clause": veto.clause}
            )
        seconds = self._limits.operation_timeout_s
        async with bound(
            seconds, "files.operation_timeout_s", f"{operation} of {str(absolute_path(where))!r}"
        ):
            channel = await (await self._context.link(found)).channel()
            async with self._turn(channel, operation):
                try:
                    yield channel, where, found
                except (FileRefused, RequestRefused) as error:
                    raise error_of(error, where) from error

    def _turn(self, channel: AgentChannel, operation: str) -> AbstractAsyncContextManager[object]:
        """Wait for one of the channel's places; whoever waits for changes takes none, since it may be for long."""
        if operation in WAITING:
            return nullcontext()
        turns = self._context.turns.get(channel)
        if turns is None:
            turns = self._context.turns[channel] = asyncio.Semaphore(self._limits.concurrent_max)
        return turns

    def _tell(self, name: str, caller: Caller, container: Container, fields: dict[str, object]) -> None:
        event = Event(
            name=name, at=self._context.clock.now(), caller=caller, container_id=container.id, fields=fields
        )
        self._context.emit(event)
