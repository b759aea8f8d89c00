"""Commands that another host follows: read from the store, cancelled on a channel of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codes import RunState, Scope
from devbench_core.channel.exec_messages import Cancel, Entry, Resize, Signal
from devbench_core.channel.link import AgentLink
from devbench_core.channel.messages import Message
from devbench_core.contracts.store import Record, Store
from devbench_core.errors import AgentUnavailable
from devbench_core.execs import records
from devbench_core.execs.keys import exec_of
from devbench_core.journal.log import find_end, log_name, read_chunks
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Mark, Page, TerminalSize

LOOK_EVERY_S = 0.1  # how often the store is asked for news of another host's command
WATCH_EVERY_S = 0.5  # the same for those who only watch it


async def page(store: Store, record: Record, after: int, max_bytes: int, caller: Caller) -> Page:
    """Return a page from the store. The record was read first, so its ending means that all output is there.

    It is there afterwards, too: output goes only after the record, so all that was read is whole.

    Raises:
        ExecPurged: It was purged meanwhile.
    """
    chunks = await read_chunks(store, log_name(record.key), after, max_bytes)
    cursor = chunks[-1].seq if chunks else after
    ending = records.read(record).ending
    if ending is not None and chunks and await store.read(log_name(record.key), after=cursor, limit=1):
        ending = None
    elif ending is not None:
        await records.load(store, record.key, caller)
    return Page(chunks=chunks, cursor=cursor, ending=ending)


def says_something(found: Page) -> bool:
    """Tell whether a page is worth returning before the time is over."""
    return bool(found.chunks) or found.ending is not None


async def mark(store: Store, record: Record, seen: Mark) -> Mark:
    """Return how far a command has got; the record was read first, so its ending comes after all output."""
    seq, _ = await find_end(store, log_name(record.key), known=seen.seq)
    return Mark(seq=seq, ended=records.read(record).ending is not None)


async def pause(rest_s: float, every_s: float = LOOK_EVERY_S) -> None:
    """Wait a little before the store is asked again, not beyond the rest of the time."""
    if rest_s > 0:
        await asyncio.sleep(min(every_s, rest_s))


async def signal(link: AgentLink, exec_id: str, number: int, scope: Scope) -> bool:
    """Signal a command, whoever follows it, and return when the agent has done so; False when it does not run.

    Raises:
        AgentUnavailable: The agent cannot be reached, or went before it was known whether the signal arrived.
    """
    return await _tell(link, exec_id, lambda handle: Signal(id=handle, signal=number, scope=scope))


async def resize(link: AgentLink, exec_id: str, size: TerminalSize) -> bool:
    """Resize a command's terminal, whoever follows it, and return when that is done; False when it does not run.

    Raises:
        AgentUnavailable: The agent cannot be reached, or went before it was known whether the size arrived.
    """
    return await _tell(link, exec_id, lambda handle: Resize(id=handle, columns=size.columns, rows=size.rows))


async def _tell(link: AgentLink, exec_id: str, make: Callable[[int], Message]) -> bool:
    try:
        channel, entry = await _look(link, exec_id)
    except AgentUnavailable:  # a channel that just died; nothing was sent on it
        channel, entry = await _look(link, exec_id)
    if entry is None or entry.state is not RunState.RUNNING:
        return False
    channel.post(make(entry.handle))
    await channel.list_execs()  # frames are handled in order: an answer means that this one was
    return True


async def _look(link: AgentLink, exec_id: str) -> tuple[AgentChannel, Entry | None]:
    channel = await link.channel()
    entries = await channel.list_execs()
    return channel, next((entry for entry in entries if exec_of(entry.key) == exec_id), None)


async def cancel(link: AgentLink, exec_id: str, grace_ms: int) -> None:
    """Ask the agent to end a command whose frames go to another host."""
    entry = await link.find(lambda key: exec_of(key) == exec_id)
    if entry is not None:
        channel = await link.channel()
        channel.post(Cancel(id=entry.handle, grace_ms=grace_ms))
