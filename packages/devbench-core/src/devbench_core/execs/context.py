"""What the parts of the execs use case share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs

from devbench_core.channel.link import AgentLink
from devbench_core.clock import Clock
from devbench_core.contracts.store import Store
from devbench_core.errors import Vetoed
from devbench_core.execs.courtesy import Courtesy
from devbench_core.execs.settings import ExecLimits
from devbench_core.files.settings import FileLimits
from devbench_core.forwarding.asking import Undo, Untold
from devbench_core.journal.journal import Journal
from devbench_core.json_types import JsonObject
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Event, Request, Veto

Resolve = Callable[[str, Caller], Awaitable[Container]]
Review = Callable[[Request], Veto | None]
Emit = Callable[[Event], None]
Alive = Callable[[str], Awaitable[bool]]


class Ask(Protocol):
    """Has another host do something."""

    async def __call__(
        self,
        to: str,
        operation: str,
        arguments: JsonObject,
        caller: Caller,
        wait_s: float = 0.0,
        undo: Undo | None = None,
    ) -> JsonObject | Untold:
        """Return its answer: see `Asker.ask`."""
        ...


class OpenLink(Protocol):
    """Returns the living link to the agent of a container, or to that of another user in it."""

    async def __call__(self, container: Container, user: str = "", *, start: bool = False) -> AgentLink:
        """Return it; an agent of another user is started where none lives, if that is asked for.

        Raises:
            ContainerExited: The container has ended.
            AgentGone: No agent of that user lives, and none is to be started.
            AgentUnavailable: It cannot be reached or started now.
        """
        ...


@attrs.frozen(kw_only=True, eq=False)
class ExecContext:
    """The collaborators of `Execs`, put together once by the wiring.

    Attributes:
        store: Keeps records and journals.
        clock: Where time comes from.
        instance: This host's id; written into each record of a command that it runs.
        limits: Bounds.
        tasks: Owns the background work; must outlive the use case's `aclose`.
        resolve: Returns a *living* container by id or alias and notes the use; raises `ContainerNotFound` or
            `ContainerExited`.
        find: Returns a container, living or ended.
        link: Returns the living link to a container's agent, or to that of another user in it.
        review: Asks the reviewers; the first veto, or None.
        emit: Tells the observers; never raises.
        alive: Tells whether the host with this instance id still lives.
        ask: Has another host do what it alone can.
        file_limits: Bounds of the paths of directories that commands run in.
        courtesy: Lets short commands go before streams.
    """

    store: Store
    clock: Clock
    instance: str
    limits: ExecLimits
    tasks: asyncio.TaskGroup
    resolve: Resolve
    find: Resolve
    link: OpenLink
    review: Review
    emit: Emit
    alive: Alive
    ask: Ask
    file_limits: FileLimits
    courtesy: Courtesy = attrs.field(factory=Courtesy)

    def journal(self, exec_id: str, *, seq: int = 0, offset: int = 0) -> Journal:
        """Return the journal of a command; ``seq`` and ``offset`` are the ends of what the store has of it."""
        return Journal(
            exec_id,
            self.store,
            batch_bytes=self.limits.journal_batch_bytes,
            memory_bytes=self.limits.journal_memory_bytes,
            seq=seq,
            offset=offset,
        )

    def check(self, request: Request) -> None:
        """Ask the reviewers.

        Raises:
            Vetoed: One of them refuses.
        """
        veto = self.review(request)
        if veto is not None:
            raise Vetoed(
                f"{request.operation} was refused by {veto.clause}: {veto.reason}",
                details={"clause": veto.clause},
            )
