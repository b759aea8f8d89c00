"""One command that this host follows: from the agent's frames to the journal, the record, and the one ending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import attrs

from devbench_core import metrics
from devbench_core.bell import Bell
from devbench_core.channel.codes import Refusal
from devbench_core.channel.exec_messages import Ended, Failed
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.link import AgentLink
from devbench_core.channel.messages import Refused
from devbench_core.channel.stdin import StdinBuffer
from devbench_core.contracts.store import Append, Change
from devbench_core.errors import AgentUnavailable, Conflict, DevbenchError, StoreFailed
from devbench_core.execs import endings, records
from devbench_core.execs.context import ExecContext
from devbench_core.execs.courtesy import BULK_BYTES
from devbench_core.journal.journal import Journal
from devbench_core.leading.fencing import no_lease
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.event import Event
from devbench_core.model.execution import Exec, ExecEnding, ExecState, StreamName

log = get_logger(__name__)
RECORD_RUNNING_AFTER_S = 0.1  # shorter commands are recorded once less
STORE_RETRY_FIRST_S = 0.05
STORE_RETRY_MAX_S = 5.0


class Run:
    """A command under way. Its methods for the channel never wait; one task at a time writes what they left.

    A new command's record is the first thing that is written, once it has started: with its output and its ending
    when they came together with the start, so that a short command costs one write. When the store refuses it, the
    command is ended again and leaves no trace: nobody was promised anything. One with an idempotency key is recorded
    before it is sent.

    Args:
        context: The collaborators.
        record: As it is in the store, or as it shall be: then its revision is 0.
        journal: Of this command.
        caller: On whose behalf, None for an adopted one.
        stdin_bytes: As recorded.
        over: Called once when this host follows it no longer.
    """

    def __init__(
        self,
        context: ExecContext,
        record: Exec,
        journal: Journal,
        *,
        caller: Caller | None,
        stdin_bytes: int | None,
        over: Callable[[Run], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.context = context
        self.record = record
        self.journal = journal
        self.stream: ExecStream | None = None
        self.stdin: StdinBuffer | None = None
        self.link: AgentLink | None = None
        self.attached = asyncio.Event()  # to its agent, as far as it will ever be
        self.input_turn = asyncio.Lock()  # of those who write to its stdin
        self.is_crowded_out = False  # it was not begun: commands of other hosts fill the container
        self.has_starter = False  # who gets the slot back, then
        self.begun: asyncio.Future[None] = loop.create_future()
        self.recorded: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[Exec | None] = loop.create_future()
        self._bell = Bell()
        self._acceptance: asyncio.Future[None] | None = None
        self._caller = caller
        self._stdin_bytes = stdin_bytes
        self._over = over
        self._final: ExecEnding | None = None
        self._pump: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._flushed_at = 0.0
        self._state_due: asyncio.TimerHandle | None = None
        self._state_dirty = False
        self._in_haste = False
        if record.revision:
            self.recorded.set_result(None)

    @property
    def is_shell(self) -> bool:
        """Whether it is a persistent shell, whose input is only that of its interactive runs."""
        return records.is_shell(self.record, self._stdin_bytes)

    @property
    def leaves_slot(self) -> bool:
        """Whether its slot is for another try of whoever starts it."""
        return self.is_crowded_out and self.has_starter

    @property
    def is_left(self) -> bool:
        """Whether this host follows it no longer although it has no ending: another one may, or nobody does."""
        return self.done.done() and self.record.ending is None

    @property
    def has_ending(self) -> bool:
        """Whether it has its ending, which may not be recorded yet."""
        return self._final is not None or self.record.ending is not None

    @property
    def has_left_slot(self) -> bool:
        """Whether it is over, and has left its slot so."""
        return self.leaves_slot and self.done.done()

    async def accepted(self) -> None:
        """Wait until it was told whether it began, and the store has that; for whoever starts it.

        Raises:
            DevbenchError: The store refused it, or another host took it over.
        """
        if not self._is_accepted:
            # Not one of the futures themselves, which a waiter that is cancelled would cancel for all.
            self._acceptance = asyncio.get_running_loop().create_future()
            await self._acceptance
        self.recorded.result()

    def sent(self) -> None:
        """It is on its way to the agent, and somebody waits for it."""
        self._hasten(now=True)

    def write_record(self) -> None:
        """Begin to write a new command's record; `recorded` tells how that went."""
        self._kick()

    async def record_first(self, *also: Change) -> None:
        """Write a new command's record, together with something else, before the command is sent.

        Raises:
            Conflict: Nothing was written, and the command is followed no longer.
            StoreFailed: Likewise; whether it was written may be unknown.
        """
        try:
            self.record = await records.save(self.context.store, self.record, self._stdin_bytes, *also)
        except BaseException:
            self._resolve_recorded(AgentUnavailable("the command was not begun"))
            self._close()
            raise
        self.recorded.set_result(None)

    def started(self) -> None:
        """The program has been executed."""
        self._begin()
        if self.record.started_at is not None:
            return  # an earlier host saw it start
        self.record = attrs.evolve(
            self.record,
            state=ExecState.RUNNING,
            started_at=self.context.clock.now(),
            handle=self.stream.handle if self.stream is not None else 0,
        )
        if not self.recorded.done():
            self._kick()
            return
        self._hasten(now=False)  # it was recorded before it was sent
        loop = asyncio.get_running_loop()
        self._state_due = loop.call_later(RECORD_RUNNING_AFTER_S, self._record_state)
        self._tell("exec.started")

    def failed(self, ending: Failed) -> None:
        """It could not be executed."""
        record = self.record
        self.finish(endings.of_failure(ending, record.argv[0], record.cwd, self.context.clock.now()))

    def refused(self, reply: Refused) -> None:
        """The agent would not take it; where others' commands fill the container, that leaves no trace if it can."""
        if self._final is not None or self.done.done():
            return  # it has an ending already: that of its container
        self.is_crowded_out = reply.code is Refusal.BUSY
        if self.is_crowded_out and not self.recorded.done() and self._pump is None:
            self._resolve_recorded(AgentUnavailable("the container is full"))
            self._leave()
        else:
            self.finish(endings.of_refusal(reply, self.context.clock.now()))

    def output(self, end: int, stream: int, data: bytes) -> None:
        """More output."""
        self.journal.add(end, StreamName(stream), data)
        if stream == StreamName.SIDE:
            self._hurry.set()  # somebody waits for a report, which is all that comes now
        self._kick()

    def gap(self, start: int, end: int) -> None:
        """Output was dropped."""
        self.journal.add_gap(start, end)
        self._kick()

    def ended(self, ending: Ended) -> None:
        """It ended."""
        note = "its host died before it had all its input" if self.stream and self.stream.input_lost else ""
        self.finish(endings.of_end(ending, self.context.clock.now(), note))

    def lost(self, reason: str) -> None:
        """Its ending will never be known."""
        output = self.stream.next_offset if self.stream is not None else 0
        self.finish(endings.of_loss(reason, self.context.clock.now(), output))

    def detached(self) -> None:
        """Another host follows it from now on."""
        self._leave()

    def finish(self, ending: ExecEnding) -> None:
        """Give it its ending, unless it has one; recorded as soon as its output is."""
        if self._final is None and not self.done.done():
            self._final = ending
            self.attached.set()
            self._hasten(now=True)
            self._kick()

    async def stop(self, wait_s: float) -> None:
        """Follow it no longer; an ending that is here already is written down within the time."""
        if self._final is None:
            self._leave()
        pump = self._pump
        if pump is not None:
            await asyncio.wait([pump], timeout=wait_s)
            pump.cancel()
        self._leave()

    async def wait(self, wait_s: float) -> None:
        """Wait until this host follows it no longer, or the time is over."""
        if not self.done.done():
            await self._bell.wait(wait_s)

    def _begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)
            self._accept()

    def _record_state(self) -> None:
        self._state_dirty = True
        self._kick()

    def _kick(self) -> None:
        """See that somebody writes what is new."""
        if self._final is not None or self.journal.is_full:
            self._hurry.set()
        if self._pump is None and not self._is_settled:
            self._pump = self.context.tasks.create_task(
                self._write(), name=f"journal {self.record.id}", context=no_lease()
            )

    @property
    def _is_settled(self) -> bool:
        """Whether there is nothing to write any more; a command that was left still gets its record."""
        return self.done.done() and self.recorded.done()

    async def _write(self) -> None:
        """Write until nothing is new. What the store refuses is tried again, and the agent's window waits."""
        pause = STORE_RETRY_FIRST_S
        try:
            while not self._is_settled:
                try:
                    if not await self._step():
                        return
                    pause = STORE_RETRY_FIRST_S
                except Exception:
                    log.exception("exec.write_failed", exec=self.record.id)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, STORE_RETRY_MAX_S)
        finally:
            self._pump = None
            self._resolve_recorded(AgentUnavailable("the host closed before the command was recorded"))

    async def _step(self) -> bool:
        """Write what is new as one change: output, and the record when it must be; False when nothing is left."""
        if not self.journal.is_clean:
            await self._gather()
        batch = self.journal.batch()
        if batch is not None and not self._in_haste and _size(batch) >= BULK_BYTES:
            await self.context.courtesy.give_way()
        ending = None if self.journal.has_more else self._final  # all output is there before the ending
        wanted = self._wanted(ending)
        if batch is None and wanted is None:
            return False
        try:
            saved = await self._store(batch, wanted)
        except Exception as error:
            if self.recorded.done():
                self._state_dirty = (
                    True  # a command that says nothing gives no other occasion to write its state
                )
                raise
            log.exception("exec.not_recorded", exec=self.record.id)
            self._resolve_recorded(error if isinstance(error, DevbenchError) else StoreFailed(repr(error)))
            self._withdraw()
            return False
        if saved is None:
            return False  # another host follows it, and the agent still has what was not written
        if batch is not None:
            self._shown()
        self._saved(saved)
        return True

    def _wanted(self, ending: ExecEnding | None) -> Exec | None:
        """Return the record as it must be written now, None when the store's will do."""
        if ending is not None:
            return records.ended(self.record, ending)
        return self.record if self._state_dirty or not self.recorded.done() else None

    async def _store(self, batch: Append | None, wanted: Exec | None) -> Exec | None:
        """Write both or none; return the record as the store has it then.

        The record is written with all output: where another host has taken the command over, this one's is refused.
        That one goes on from what the store had, and would take our numbers for its own.
        """
        self._state_dirty = False
        output = () if batch is None else (batch,)
        try:
            return await records.save(self.context.store, wanted or self.record, self._stdin_bytes, *output)
        except Conflict:
            return await self._merge(wanted or self.record, output)

    def _shown(self) -> None:
        self.journal.written()
        self._flushed_at = asyncio.get_running_loop().time()
        if self.stream is not None and self._final is None:
            self.stream.ack(self.journal.durable_offset)

    def _saved(self, saved: Exec) -> None:
        """Take over what the store has; what the channel changed meanwhile is kept."""
        first = not self.recorded.done()
        self._state_dirty |= saved.started_at is None and self.record.started_at is not None
        self.record = saved if saved.ending else attrs.evolve(self.record, revision=saved.revision)
        if first:
            self.recorded.set_result(None)
            self._accept()
            self._hasten(now=False)
            if self.record.started_at is not None:
                self._tell("exec.started")
        if saved.ending is not None and not self.done.done():
            self._ended()

    @property
    def _is_accepted(self) -> bool:
        return self.recorded.done() and (self.begun.done() or self.recorded.exception() is not None)

    def _accept(self) -> None:
        if self._acceptance is not None and self._is_accepted and not self._acceptance.done():
            self._acceptance.set_result(None)

    def _resolve_recorded(self, error: DevbenchError) -> None:
        self._hasten(now=False)
        if not self.recorded.done():
            self.recorded.set_exception(error)
            self.recorded.exception()  # nobody may be left
            self._accept()

    async def _gather(self) -> None:
        """Let output gather into a batch, unless one is full or the ending is there."""
        now = asyncio.get_running_loop().time()
        rest_s = self._flushed_at + self.context.limits.journal_flush_s - now
        if rest_s <= 0 or self._hurry.is_set():
            if self._final is None and not self.journal.is_full:
                self._hurry.clear()
            return
        try:
            async with asyncio.timeout(rest_s):
                await self._hurry.wait()
        except TimeoutError:
            return

    def _ended(self) -> None:
        """The ending is recorded: acknowledge it, and tell everybody."""
        if self.stream is not None and self.link is not None:
            self.link.release(self.stream)
        self._stop_input()
        self.journal.close()
        self.attached.set()
        self._begin()
        self.done.set_result(self.record)
        self._bell.ring()
        self._close_timer()
        self._over(self)
        final = self.record.ending
        reason = str(final.reason) if final else ""
        metrics.EXECS_ENDED.labels(reason).inc()
        self._tell("exec.ended", {"reason": reason})

    async def _merge(self, wanted: Exec, output: tuple[Change, ...]) -> Exec | None:
        """Somebody else changed the record: an ending holds, and so does another host's adoption."""
        found = await self.context.store.get(records.KIND, wanted.id)
        current = None if found is None else records.read(found)
        if current is None or current.instance != self.context.instance:
            self._resolve_recorded(
                AgentUnavailable("another host took the command over while it was started")
            )
            self._leave()
            return None
        if current.ending is not None:
            if output:
                await self.context.store.apply(*output)
            return current
        again = attrs.evolve(wanted, revision=current.revision)
        try:
            return await records.save(self.context.store, again, self._stdin_bytes, *output)
        except Conflict:
            return await self._merge(wanted, output)

    def _leave(self) -> None:
        """Follow it no longer; it is not ended, and what was not written the agent still has."""
        if self.done.done():
            return
        if self.stream is not None and self.link is not None:
            self.link.forget(self.stream)
        self._close()
        self._kick()

    def _withdraw(self) -> None:
        """Take back what was begun without a record."""
        if self.done.done():
            return
        if self.stream is not None and self.link is not None:
            self.stream.discard()
            self.link.release(self.stream)
        self._close()

    def _close(self) -> None:
        self._stop_input()
        self.journal.close()
        self.attached.set()
        self._begin()
        self.done.set_result(None)
        self._bell.ring()
        self._close_timer()
        self._over(self)

    def _stop_input(self) -> None:
        """Have nobody wait for it to read, also where the agent did not say that it ended."""
        if self.stdin is not None:
            self.stdin.close()

    def _hasten(self, *, now: bool) -> None:
        if now != self._in_haste:
            self._in_haste = now
            self.context.courtesy.come() if now else self.context.courtesy.gone()

    def _close_timer(self) -> None:
        self._hasten(now=False)
        if self._state_due is not None:
            self._state_due.cancel()

    def _tell(self, name: str, fields: dict[str, object] | None = None) -> None:
        event = Event(
            name=name,
            at=self.context.clock.now(),
            caller=self._caller,
            container_id=self.record.container_id,
            exec_id=self.record.id,
            fields=fields or {},
        )
        try:
            self.context.emit(event)
        except Exception:
            log.exception("exec.event_failed", event_name=name)


def _size(batch: Append) -> int:
    return sum([len(entry.data) for entry in batch.entries])
