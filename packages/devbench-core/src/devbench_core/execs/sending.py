"""Sends a command that has a slot of this host, and again where commands of other hosts leave no room for it."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from devbench_core.channel.exec_messages import Start
from devbench_core.channel.link import AgentLink
from devbench_core.contracts.store import Change
from devbench_core.errors import AgentUnavailable, DevbenchError, TimedOut
from devbench_core.execs.context import ExecContext
from devbench_core.execs.directory import made
from devbench_core.execs.launching import launch, stdin_of
from devbench_core.execs.run import Run
from devbench_core.execs.slots import Crowded, Slots
from devbench_core.journal.journal import Journal
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.execution import Exec, ExecRequest

Follow = Callable[[Exec, Journal, int | None, Caller | None], Run]
Claim = Callable[[str], Change]
"""Makes the change by which a command, given by its id, claims its key."""


@attrs.frozen(kw_only=True, eq=False)
class Order:
    """A command that is to be sent.

    Attributes:
        request: What was asked for.
        start: What goes to the agent.
        record: Its first record.
        directory: What must be made first, None for nothing.
        stdin_bytes: As recorded.
        open_stdin: Its input stays open.
        outlives_caller: It goes on once it was sent.
        claim: What must be in the store, together with the record, before it is sent.
        caller: Who asks.
        deadline_s: How long it may wait, on the monotonic clock.
    """

    request: ExecRequest
    start: Start
    record: Exec
    directory: bytes | None
    stdin_bytes: int | None
    open_stdin: bool
    outlives_caller: bool
    claim: Claim | None
    caller: Caller
    deadline_s: float

    @property
    def looks_first(self) -> bool:
        """Whether there must be room before it is sent: a refusal would leave a record or a directory behind."""
        return self.claim is not None or self.directory is not None


class Sender:
    """Sends; ``follow`` makes this host follow a command, and the slot goes with it."""

    def __init__(self, context: ExecContext, slots: Slots, follow: Follow) -> None:
        self._context = context
        self._slots = slots
        self._follow = follow

    async def send(self, order: Order, link: AgentLink, container: Container) -> Exec:
        """Send it, waiting for room until its deadline; whatever fails gives its slot back.

        Raises:
            ConcurrencyLimit: Other hosts' commands left no room for it.
            Crowded: Likewise, when it was recorded already.
            DevbenchError: As `launch`.
        """
        with self._slots.kept(container.id):
            has_room = not order.looks_first or await link.has_room()
        begun = await self._tried(order, link) if has_room else None
        if begun is not None:
            return begun
        rest_s = order.deadline_s - self._context.clock.monotonic_s()
        async with self._slots.turn(container.id, rest_s):
            while begun is None:
                with self._slots.kept(container.id):
                    link = await self._room(order, container)
                begun = await self._tried(order, link)
        return begun

    async def _room(self, order: Order, container: Container) -> AgentLink:
        """Wait until fewer commands run in a container than are allowed, those of other hosts included."""
        context, user = self._context, order.record.user
        failure: DevbenchError | None = None
        while True:
            now_s = context.clock.monotonic_s()
            if failure is not None and now_s >= order.deadline_s:
                raise failure
            await self._slots.rest(order.deadline_s, now_s, container.id)
            await context.resolve(container.id, order.caller)
            failure = None
            try:
                link = await context.link(container, user, start=bool(user))
                if await link.has_room():
                    return link
            except (
                AgentUnavailable,
                TimedOut,
            ) as error:  # a cut that is mended soon, as one under a running command
                failure = error

    async def _tried(self, order: Order, link: AgentLink) -> Exec | None:
        """Send it once; None when there was no room for it: then its slot is still taken."""
        container_id, start = order.record.container_id, order.start
        if order.directory is not None:
            with self._slots.kept(container_id):
                start = await made(link, start, order.directory)
        run = self._follow(
            order.record, self._context.journal(order.record.id), order.stdin_bytes, order.caller
        )
        run.has_starter = True
        try:
            if order.claim is not None:
                await run.record_first(order.claim(order.record.id))
            stdin = stdin_of(order.request, open_ended=order.open_stdin)
            await launch(run, link, start, stdin, outlives_caller=order.outlives_caller)
        except DevbenchError:
            if not run.has_left_slot:
                raise
        except BaseException:  # its caller goes away in the moment of the refusal
            if run.has_left_slot:
                self._slots.free(container_id)
            raise
        finally:
            is_left, run.has_starter = run.has_left_slot, False
        if is_left and order.claim is not None:
            self._slots.free(container_id)
            raise Crowded(self._slots.crowded(container_id))
        return None if is_left else run.record
