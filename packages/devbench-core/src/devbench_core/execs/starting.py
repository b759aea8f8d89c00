"""Starts a new command: validate, review, take a slot, send it."""

from __future__ import annotations

import attrs

from devbench_core.channel.codes import StartFlag
from devbench_core.execs.context import ExecContext
from devbench_core.execs.directory import directory_of
from devbench_core.execs.keys import agent_key
from devbench_core.execs.launching import new_record, stdin_length
from devbench_core.execs.sending import Claim, Follow, Order, Sender
from devbench_core.execs.settling import Settler
from devbench_core.execs.slots import Slots
from devbench_core.execs.user import user_of
from devbench_core.execs.validate import start_of, with_environment
from devbench_core.ids import EXEC, new_id
from devbench_core.model.caller import Caller
from devbench_core.model.event import Request
from devbench_core.model.execution import Exec, ExecRequest


class Starter:
    """Starts commands; ``follow`` makes this host follow one, and the slot goes with it."""

    def __init__(self, context: ExecContext, slots: Slots, settler: Settler, follow: Follow) -> None:
        self._context = context
        self._slots = slots
        self._settler = settler
        self._sender = Sender(context, slots, follow)

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
        with self._slots.kept(found.id):
            if request.queue_s:  # it may have ended while this one waited
                found = await context.resolve(found.id, caller)
            link = await context.link(found)
            channel = await link.channel()
            user = user_of(request.user, channel.agent, found)
            self._settler.settle_once(found)
            if user:
                link = await context.link(found, user, start=True)
        order = Order(
            request=request,
            start=start,
            record=new_record(exec_id, found, request, caller, context, user=user),
            directory=directory,
            stdin_bytes=stdin_length(request, open_ended=open_stdin, continued=side),
            open_stdin=open_stdin or side,
            outlives_caller=outlives_caller,
            claim=claim,
            caller=caller,
            deadline_s=deadline_s,
        )
        return await self._sender.send(order, link, found)
