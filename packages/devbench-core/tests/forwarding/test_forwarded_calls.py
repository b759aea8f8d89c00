"""A call that another host alone can serve is served by it, once, or the caller is told what is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.store import Change, Put, Record, Remove
from devbench_core.errors import (
    DevbenchError,
    ExecNotFound,
    OutcomeUnknown,
    ShellEnded,
    StoreFailed,
    TimedOut,
    ValidationFailed,
)
from devbench_core.forwarding import records, sweeping
from devbench_core.forwarding.asking import Asker, Undo, Untold
from devbench_core.forwarding.records import State
from devbench_core.forwarding.serving import Server
from devbench_core.forwarding.settings import ForwardingLimits
from devbench_core.json_types import JsonObject
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import Caller
from devbench_core.testing.fake import FakeClock
from harness.agent_host import eventually

CALLER = Caller(tenant="t", subject="s", scopes=frozenset({"exec"}), client="c", correlation_id="x")
QUICK = ForwardingLimits(poll_s=0.01, margin_s=0.3)
PATIENT = ForwardingLimits(poll_s=0.01, margin_s=30)


@attrs.define(kw_only=True)
class Hosts:
    """One that asks, and one that serves.

    Attributes:
        alive: Whether the second lives.
        served: The calls that it began with.
        work: What it does with one.
    """

    store: MemoryStore
    asker: Asker
    server: Server
    alive: bool = True
    served: list[tuple[JsonObject, Caller]] = attrs.field(factory=list[tuple[JsonObject, Caller]])
    work: Callable[[JsonObject], Awaitable[JsonObject]] | None = None

    async def serve(self, arguments: JsonObject, caller: Caller) -> JsonObject:
        """Serve a call."""
        self.served.append((arguments, caller))
        return {"echo": arguments} if self.work is None else await self.work(arguments)

    async def left(self) -> list[Record]:
        """Return what is in the store."""
        return list((await self.store.list(records.KIND)).records)

    def ask(
        self, wait_s: float = 0.0, undo: Undo | None = None, **arguments: str
    ) -> Awaitable[JsonObject | Untold]:
        """Ask the second."""
        return self.asker.ask("i_two", "echo", {**arguments}, CALLER, wait_s, undo)


@asynccontextmanager
async def hosts(
    limits: ForwardingLimits = PATIENT, *, serving: bool = True, store: MemoryStore | None = None
) -> AsyncGenerator[Hosts]:
    """Give both while the block lasts."""
    kept, clock = store or MemoryStore(), SystemClock()
    async with asyncio.TaskGroup() as tasks:
        both: Hosts

        async def alive(instance: str) -> bool:
            return instance == "i_two" and both.alive

        async def serve(arguments: JsonObject, caller: Caller) -> JsonObject:
            return await both.serve(arguments, caller)

        asker = Asker(kept, clock, limits, tasks, alive)
        server = Server(kept, clock, limits, tasks, "i_two", {"echo": serve})
        both = Hosts(store=kept, asker=asker, server=server)

        async def rounds() -> None:
            while True:
                await server.round()
                await asyncio.sleep(limits.poll_s)

        task = tasks.create_task(rounds()) if serving else None
        yield both
        if task is not None:
            task.cancel()


async def test_the_answer_comes_back_and_nothing_is_left():
    async with hosts() as both:
        assert await both.ask(word="hello") == {"echo": {"word": "hello"}}
        assert both.served == [({"word": "hello"}, CALLER)]
        assert await both.left() == []


async def test_the_error_that_it_raised_is_raised_here():
    async def refuse(_arguments: JsonObject) -> JsonObject:
        raise ValidationFailed("word", "is odd", hint="take another", limit=3)

    async with hosts() as both:
        both.work = refuse
        with pytest.raises(ValidationFailed) as raised:
            await both.ask()
        assert str(raised.value) == "word: is odd (take another)"
        assert raised.value.details == {"field": "word", "limit": 3}
        assert await both.left() == []


def test_every_error_of_core_comes_back_as_itself():
    for error in (ExecNotFound("no x", hint="h", details={"a": 1}), TimedOut("late")):
        again = records.error_of(records.failure_of(error))
        assert (type(again), str(again), again.details) == (type(error), str(error), error.details)
    unknown = attrs.evolve(records.failure_of(TimedOut("late")), code="of_the_future")
    assert type(records.error_of(unknown)) is DevbenchError


async def test_many_calls_at_once_are_each_served_once():
    async with hosts(ForwardingLimits(poll_s=0.01, margin_s=30, at_once=3)) as both:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(both_ask(both, str(number))) for number in range(40)]
        assert [task.result() for task in asked] == [{"echo": {"word": str(n)}} for n in range(40)]
        assert len(both.served) == 40
        assert await both.left() == []


async def both_ask(both: Hosts, word: str) -> JsonObject | Untold:
    return await both.ask(word=word)


async def test_a_host_that_does_not_answer_in_time_never_begins():
    async with hosts(QUICK, serving=False) as both:
        with pytest.raises(TimedOut, match="nothing was done"):
            await both.ask()
        await both.server.round()
        assert both.served == []
        assert await both.left() == []


async def test_of_one_that_has_begun_and_does_not_answer_it_is_said_that_it_may_have_been_done():
    never = asyncio.Event()

    async def hang(_arguments: JsonObject) -> JsonObject:
        await never.wait()
        return {}

    async with hosts(QUICK) as both:
        both.work = hang
        with pytest.raises(OutcomeUnknown):
            await both.ask()
        never.set()
        await eventually(lambda: len(both.served) == 1)


async def test_a_host_that_died_before_it_began_leaves_the_call_to_another():
    async with hosts(serving=False) as both:
        both.alive = False
        assert await both.ask() is Untold.GONE
        assert await both.left() == []


async def test_a_host_that_died_after_it_began_leaves_it_unknown():
    async def hang(_arguments: JsonObject) -> JsonObject:
        both.alive = False
        await asyncio.sleep(3600)
        return {}

    async with hosts() as both:
        both.work = hang
        with pytest.raises(OutcomeUnknown):
            await both.ask()
        for task in asyncio.all_tasks():
            if task.get_name().startswith("serve "):
                task.cancel()


async def test_a_caller_that_goes_away_takes_back_what_nobody_has_begun():
    async with hosts(serving=False) as both:
        asked = asyncio.ensure_future(both.ask())
        while not await both.left():
            await asyncio.sleep(0.001)
        asked.cancel()
        while await both.left():
            await asyncio.sleep(0.001)
        await both.server.round()
        assert both.served == []


@pytest.mark.parametrize("way", ["not begun", "done", "failed", "cannot be undone"])
async def test_what_was_begun_for_a_caller_that_goes_away_is_undone(way: str):
    answer, undone = asyncio.Event(), list[JsonObject]()

    async def wait(arguments: JsonObject) -> JsonObject:
        await answer.wait()
        if way == "failed":
            raise ShellEnded("it has ended")
        return arguments

    async def undo(found: JsonObject) -> None:
        undone.append(found)
        if way == "cannot be undone":
            raise RuntimeError("a fault")

    async with hosts(serving=way != "not begun") as both:
        both.work = wait
        asked = asyncio.ensure_future(both.ask(undo=undo, word="hello"))
        while not (await both.left() if way == "not begun" else both.served):
            await asyncio.sleep(0.001)
        asked.cancel()
        await asyncio.wait([asked])
        answer.set()
        while await both.left():
            await asyncio.sleep(0.001)
    assert undone == ([{"word": "hello"}] if way in {"done", "cannot be undone"} else [])


async def test_an_answer_stays_until_whoever_asked_has_read_it():
    async with hosts(serving=False) as both:
        asked = asyncio.ensure_future(both.ask(word="hello"))
        while not await both.left():
            await asyncio.sleep(0.001)
        await both.server.round()
        while (await both.left())[0].data["state"] != State.ANSWERED:
            await both.server.round()  # looks often, and takes nothing twice and nothing away
            await asyncio.sleep(0)
        await both.server.round()
        assert await asked == {"echo": {"word": "hello"}}
        assert len(both.served) == 1


async def test_the_answer_to_a_caller_that_went_away_is_not_kept():
    answer = asyncio.Event()

    async def wait(_arguments: JsonObject) -> JsonObject:
        await answer.wait()
        return {}

    async with hosts() as both:
        both.work = wait
        asked = asyncio.ensure_future(both.ask())
        await eventually(lambda: bool(both.served))
        asked.cancel()
        await asyncio.wait([asked])
        answer.set()
        while await both.left():
            await asyncio.sleep(0.001)
        assert len(both.served) == 1


async def test_what_dead_hosts_left_is_swept_when_its_time_is_long_over():
    clock = FakeClock()
    async with hosts(serving=False) as both:
        asked = asyncio.ensure_future(both.ask())
        while not await both.left():
            await asyncio.sleep(0.001)
        assert await sweeping.sweep(both.store, clock, 100) == 0
        clock.pass_s(3600 + 60)
        assert await sweeping.sweep(both.store, clock, 100) == 1
        assert await both.left() == []
        with pytest.raises(OutcomeUnknown):
            await asked


class CutStore(MemoryStore):
    """Answers no question any more once it was cut."""

    cut = False

    async def get(self, kind: str, key: str) -> Record | None:
        """As the store's, until then."""
        if self.cut:
            raise StoreFailed("it is away")
        return await super().get(kind, key)


@pytest.mark.parametrize("serving", [True, False])
async def test_a_store_that_fails_in_between_is_told_as_what_is_known(serving: bool):
    cut, go_on = CutStore(), asyncio.Event()

    async def wait(_arguments: JsonObject) -> JsonObject:
        await go_on.wait()
        return {}

    async with hosts(serving=serving, store=cut) as both:
        both.work = wait
        asked = asyncio.ensure_future(both.ask())
        if serving:
            await eventually(lambda: bool(both.served))
        cut.cut = True
        with pytest.raises(OutcomeUnknown if serving else StoreFailed):
            await asked
        go_on.set()
        assert len(both.served) == int(serving)


def first_is_taking(change: Change) -> bool:
    """Tell whether a change takes a call."""
    return isinstance(change, Put) and change.data["state"] == State.TAKEN


class LateStore(MemoryStore):
    """Has the taking and the taking back of a call meet: one of them is first, and the other is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.meets = asyncio.Barrier(2)

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """As the store's, but the two wait for each other."""
        first = changes[0]
        if isinstance(first, Remove) or first_is_taking(first):
            await self.meets.wait()
        return await super().apply(*changes)


@pytest.mark.parametrize("_time", range(20))
async def test_a_call_that_is_taken_while_it_is_taken_back_is_either_done_or_not(_time: int):
    late = LateStore()
    async with hosts(store=late) as both:
        asked = asyncio.ensure_future(both.ask())
        await eventually(lambda: late.meets.n_waiting == 1)
        asked.cancel()
        await asyncio.wait([asked])
        while any(record.data["state"] == State.ASKED for record in await both.left()):
            await asyncio.sleep(0.001)
        while await both.left():
            await asyncio.sleep(0.001)
        assert len(both.served) <= 1
