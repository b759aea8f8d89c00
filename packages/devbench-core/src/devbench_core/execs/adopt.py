"""Takes over the commands of hosts that died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

import attrs

from devbench_core.channel.exec_messages import Entry, Start
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.link import AgentLink
from devbench_core.channel.stdin import StdinBuffer
from devbench_core.contracts.store import Record
from devbench_core.errors import AgentGone, Conflict, ContainerExited
from devbench_core.execs import endings, records
from devbench_core.execs.context import ExecContext
from devbench_core.execs.keys import exec_of
from devbench_core.execs.records import CONTINUED
from devbench_core.execs.run import Run
from devbench_core.journal.journal import Journal
from devbench_core.journal.log import find_end, log_name
from devbench_core.logs import get_logger
from devbench_core.model.container import Container
from devbench_core.model.execution import Exec, ExecState

log = get_logger(__name__)
MakeRun = Callable[[Exec, Journal, int | None], Run]


def _input_of(length: int | None) -> StdinBuffer | None:
    """Return the input that goes on: a terminal's and a shell's can be typed on, another one only be ended."""
    if length is None:
        return None
    if length == CONTINUED:
        return StdinBuffer.continued()
    return StdinBuffer.orphaned(None if length < 0 else length)


class Adopter:
    """Adopts one command at a time, each only once.

    Args:
        context: The collaborators.
        make: Follows a command from now on.
        followed: Returns what this host follows.
    """

    def __init__(self, context: ExecContext, make: MakeRun, followed: Callable[[str], Run | None]) -> None:
        self._context = context
        self._make = make
        self._followed = followed
        # one lives as long as somebody holds it or waits for it
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def is_orphan(self, record: Exec) -> bool:
        """Tell whether nobody follows a living command: its host is dead, or is this one and lost track of it."""
        if record.ending is not None:
            return False
        return record.instance == self._context.instance or not await self._context.alive(record.instance)

    async def adopt(self, container: Container, found: Record) -> Run | None:
        """Go on with a command, or give it its ending; None when another host was first.

        Raises:
            AgentUnavailable: The agent cannot be reached now; it stays an orphan.
            TimedOut: The agent did not answer; it stays an orphan.
        """
        async with self._locks.setdefault(found.key, asyncio.Lock()):
            # Who came second may have read the record when it was ours already, and was followed by nobody yet.
            return self._followed(found.key) or await self._adopt(container, found)

    async def _adopt(self, container: Container, found: Record) -> Run | None:
        context, stdin = self._context, records.stdin_bytes(found)
        record = attrs.evolve(records.read(found), instance=context.instance)
        try:
            record = await records.save(context.store, record, stdin)
        except Conflict:
            return None
        seq, offset = await find_end(context.store, log_name(record.id))
        run = self._make(record, context.journal(record.id, seq=seq, offset=offset), stdin)
        await self._connect(container, run, stdin, offset)
        log.info("exec.adopted", exec=record.id, container=container.id, offset=offset)
        return run

    async def _connect(self, container: Container, run: Run, stdin: int | None, offset: int) -> None:
        now = self._context.clock.now
        try:
            run.link = await self._context.link(container, run.record.user)
            found = await self._held(run.link, run.record)
            if found is None:
                run.finish(
                    endings.of_unsent("it was given up before it was sent", now())
                    if run.record.state is ExecState.STARTING
                    else endings.of_loss("the agent does not know it any more", now(), offset)
                )
                return
            run.stdin = _input_of(stdin)
            run.stream = ExecStream(
                Start(key=found.key, flags=0, argv=(b"?",)),
                run,
                window_bytes=run.link.window_bytes,
                stdin=run.stdin,
                offset=offset,
            )
            await run.link.adopt(run.stream, found.handle)
            run.attached.set()
        except AgentGone as error:
            run.finish(endings.of_loss(error.message, now(), offset))
        except ContainerExited:
            if container.ending is not None:
                run.finish(endings.of_container(container.ending, now(), offset))
            else:
                run.finish(endings.of_loss("its container ended", now(), offset))
        except (
            BaseException
        ):  # also a caller that is cancelled: it stays an orphan, and is not followed in vain
            await run.stop(0)
            raise

    async def _held(self, link: AgentLink, record: Exec) -> Entry | None:
        """Return what the agent holds of a command.

        It holds one until the ending is acknowledged, which is recorded first. So one that is not known to have
        started, and that it does not hold, never reached it; when it may still be on its way, it is kept from it.
        """

        def is_it(key: str) -> bool:
            return exec_of(key) == record.id

        found = await link.find(is_it)
        if found is None and record.state is ExecState.STARTING:
            return await link.find_at_last(is_it)
        return found
