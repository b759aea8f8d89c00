"""Brings a command to life: its record goes to the store while its START goes to the agent.

Or before it, where the command has an idempotency key.
"""

from __future__ import annotations

import asyncio

from devbench_core.channel.exec_messages import Start
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.link import AgentLink
from devbench_core.channel.stdin import StdinBuffer
from devbench_core.errors import DevbenchError, TimedOut
from devbench_core.execs import endings
from devbench_core.execs.context import ExecContext
from devbench_core.execs.records import CONTINUED, OPEN_ENDED
from devbench_core.execs.run import Run
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.execution import Exec, ExecEnding, ExecReason, ExecRequest, ExecState

CALLER_GONE = "its caller went away before it was started"


def new_record(
    exec_id: str,
    container: Container,
    request: ExecRequest,
    caller: Caller,
    context: ExecContext,
    *,
    user: str,
) -> Exec:
    """Return the first record of a command."""
    return Exec(
        id=exec_id,
        container_id=container.id,
        tenant=caller.tenant,
        created_by=caller.subject,
        argv=tuple(request.argv),
        cwd="" if request.cwd is None else str(request.cwd),
        tty=request.tty is not None,
        user=user,
        state=ExecState.STARTING,
        created_at=context.clock.now(),
        instance=context.instance,
    )


def stdin_length(request: ExecRequest, *, open_ended: bool, continued: bool = False) -> int | None:
    """Return how long the input will be, -1 or -2 for an open-ended one, None for none."""
    if continued or request.tty is not None:
        return CONTINUED
    if open_ended:
        return OPEN_ENDED
    return None if request.stdin is None else len(request.stdin)


def stdin_of(request: ExecRequest, *, open_ended: bool) -> StdinBuffer | None:
    """Return the input, None for none."""
    stays_open = open_ended or request.tty is not None
    if request.stdin is None and not stays_open:
        return None
    return StdinBuffer(request.stdin or b"", complete=not stays_open)


async def launch(
    run: Run, link: AgentLink, start: Start, stdin: StdinBuffer | None, *, outlives_caller: bool
) -> None:
    """Return when the program was executed, or could not be, and the record is in the store.

    A caller that is cancelled meanwhile ends it, unless it was sent and shall outlive its caller.

    Raises:
        TimedOut: The agent did not say in time whether it started; it is being ended.
        AgentUnavailable: Nothing was started.
        StoreFailed: It could not be recorded; it is being ended.
    """
    run.link, run.stdin = link, stdin
    stream = run.stream = ExecStream(start, run, window_bytes=link.window_bytes, stdin=stdin)
    run.attached.set()
    seconds = link.request_timeout_s
    try:
        try:
            async with asyncio.timeout(seconds):
                await _send(run, link, stream)
                await run.accepted()
        except TimeoutError as error:
            if not run.begun.done():
                raise _unanswered(run, stream, seconds) from error
        await run.accepted()  # the agent's time is not the store's
    except asyncio.CancelledError:
        if outlives_caller and stream.handle:
            run.write_record()  # it can be asked for from now on, whatever the agent says
        else:
            _withdraw(run, stream, CALLER_GONE)
        raise


async def _send(run: Run, link: AgentLink, stream: ExecStream) -> None:
    try:
        run.sent()
        await link.start(stream)
    except DevbenchError as error:
        run.finish(endings.of_unsent(f"nothing was started: {error.message}", run.context.clock.now()))
        raise


def _unanswered(run: Run, stream: ExecStream, seconds: float) -> TimedOut:
    """End what the agent says nothing of."""
    _withdraw(run, stream, "the agent took nothing in time, so it was never started")
    run.write_record()
    return TimedOut(
        f"the agent did not say within {seconds:g} s whether command {run.record.id!r} started",
        hint="it is being ended; ask for it by its id",
        details={"exec_id": run.record.id, "limit": seconds, "setting": "channel.request_timeout_s"},
    )


def _withdraw(run: Run, stream: ExecStream, why: str) -> None:
    """End a command that nobody waits for any more while it is being started."""
    if stream.handle:
        stream.cancel(0)
    else:
        run.finish(ExecEnding(reason=ExecReason.CANCELLED, message=why, at=run.context.clock.now()))
