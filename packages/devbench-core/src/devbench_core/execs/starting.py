"""Starts a new command: validate, review, take a slot, send it."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from devbench_core.channel.codes import StartFlag
from devbench_core.channel.exec_messages import Start
from devbench_core.channel.link import AgentLink
from devbench_core.contracts.store import Change
from devbench_core.errors import DevbenchError
from devbench_core.execs.context import ExecContext
from devbench_core.execs.directory import directory_of, made
from devbench_core.execs.keys import agent_key
from devbench_core.execs.launching import launch, new_record, stdin_length, stdin_of
from devbench_core.execs.run import Run
from devbench_core.execs.settling import Settler
from devbench_core.execs.slots import Crowded, Slots
from devbench_core.execs.user import user_of
from devbench_core.execs.validate import start_of, with_environment
from devbench_core.ids import EXEC, new_id
from devbench_core.journal.journal import Journal
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Request
from devbench_core.model.execution import Exec, ExecRequest

Follow = Callable[[Exec, Journal, int | None, Caller | None], Run]
Claim = Callable[[str], Change]
"""Makes the change by which a command, given by its id, claims its key."""


@attrs.frozen(kw_only=True, eq=False)
class _Order:
    """A command that is to be sent, and sent again where there was no room."""

    request: ExecRequest
    start: Start
    record: Exec
    stdin_bytes: int | None
    open_stdin: bool
    outlives_caller: bool
    claim: Claim | None


class Starter:
    """Starts commands; ``follow`` makes this host follow one, and the slot goes with it."""

    def __init__(self, context: ExecContext, slots: Slots, settler: Settler, follow: Follow) -> None:
        self._context = context
        self._slots = slots
        self._settler = settler
        self._follow = follow

    async def start(
        self,
        container: str,
        request: ExecRequest,
        *,
        open_stdin: bool,
        side: bool = False,
        outlives_caller: bool = False,
        caller: Caller,
        claim: Claim | None = None,
    ) -> Exec:
        """Start a command, as `Execs.start` says.

        Args:
            container: Where.
            request: What.
            open_stdin: Keep its input open.
            side: Give it a side stream, no time limit, and an open input that the next host goes on with.
            outlives_caller: Let it go on once it was sent.
            caller: Who asks.
            claim: What must be in the store, together with the record, before anything is sent.

        Raises:
            Conflict: The claim is somebody else's; nothing was started.
            Crowded: With a claim: it was recorded when other hosts' commands took the last slot; its ending says so.
        """
        context = self._context
        exec_id = new_id(EXEC)
        start = start_of(request, agent_key(exec_id, context.instance), context.limits)
        if side:
            start = attrs.evolve(start, flags=start.flags | StartFlag.SIDE, timeout_ms=0)
        directory = directory_of(request, context.file_limits)
        found = await context.resolve(container, caller)
        context.check(Request(operation="exec.start", caller=caller, container_id=found.id, subject=request))
        start = with_environment(start, found)
        deadline_s = context.clock.monotonic_s() + request.queue_s
        await self._slots.take(found.id, request.queue_s)
        try:
            if request.queue_s:  # it may have ended while this one waited
                found = await context.resolve(found.id, caller)
            link = await context.link(found)
            channel = await link.channel()
            user = user_of(request.user, channel.agent, found)
            self._settler.settle_once(found)
            if user:
                link = await context.link(found, user, start=True)
            if directory is not None:
                start = await made(link, start, directory)
            if claim is not None:  # so that few are recorded in vain
                await self._until_room(link, found, deadline_s, caller)
        except BaseException:
            self._slots.free(found.id)
            raise
        order = _Order(
            request=request,
            start=start,
            record=new_record(exec_id, found, request, caller, context, user=user),
            stdin_bytes=stdin_length(request, open_ended=open_stdin, continued=side),
            open_stdin=open_stdin or side,
            outlives_caller=outlives_caller,
            claim=claim,
        )
        return await self._begun(order, link, found, deadline_s, caller)

    async def _begun(
        self, order: _Order, link: AgentLink, container: Container, deadline_s: float, caller: Caller
    ) -> Exec:
        """Send it until there is room for it; its slot is taken, so it is ahead of this host's others."""
        while (begun := await self._sent(order, link, caller)) is None:
            if order.claim is not None:
                self._slots.free(container.id)
                raise Crowded(self._slots.crowded(container.id))
            try:
                await self._until_room(link, container, deadline_s, caller)
            except BaseException:
                self._slots.free(container.id)
                raise
        return begun

    async def _sent(self, order: _Order, link: AgentLink, caller: Caller) -> Exec | None:
        """Send it once; None when other hosts' commands left no room for it: then its slot is still taken."""
        exec_id = order.record.id
        run = self._follow(order.record, self._context.journal(exec_id), order.stdin_bytes, caller)
        run.has_starter, is_left = True, False
        try:
            if order.claim is not None:
                await run.record_first(order.claim(exec_id))
            stdin = stdin_of(order.request, open_ended=order.open_stdin)
            await launch(run, link, order.start, stdin, outlives_caller=order.outlives_caller)
            is_left = run.leaves_slot and run.done.done()
        except BaseException as error:
            is_left = run.leaves_slot and run.done.done()
            if not is_left or not isinstance(error, DevbenchError):
                if is_left:
                    self._slots.free(order.record.container_id)
                raise
        finally:
            run.has_starter = False
        return None if is_left else run.record

    async def _until_room(
        self, link: AgentLink, container: Container, deadline_s: float, caller: Caller
    ) -> None:
        """Wait until fewer commands run in a container than are allowed, those of other hosts included.

        Raises:
            ConcurrencyLimit: So many ran until the deadline.
            ContainerExited: It ended meanwhile.
            AgentUnavailable: The agent cannot be reached, or the host is closing.
        """
        while not await link.has_room():
            await self._slots.rest(deadline_s, self._context.clock.monotonic_s(), container.id)
            await self._context.resolve(container.id, caller)
