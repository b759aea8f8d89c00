"""What names a host is never there without its sign of life, and a command that only looks writes nothing."""

from __future__ import annotations

import pytest

from devbench_core.containers import SpawnRequest
from devbench_core.containers.instances import KIND
from devbench_core.containers.presence import SignedStore
from devbench_core.contracts.store import Change, Put, Record
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import Conflict, StoreFailed
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import LOCAL
from devbench_core.model.execution import ExecRequest
from devbench_core.testing.fake import FakeRuntime
from devbench_core.testing.fake.bench import Opener

SIGN = Put(kind=KIND, key="i_own", data={})
SOMETHING = Put(kind="thing", key="one", data={})


class Watched(MemoryStore):
    """Knows what it was asked to do, and can lose its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Change, ...]] = []
        self.is_cut = False

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        self.asked.append(changes)
        done = await super().apply(*changes)
        if self.is_cut:
            raise StoreFailed("the answer was lost")
        return done


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def signed(watched: Watched) -> SignedStore:
    return SignedStore(watched, lambda: SIGN)


async def test_the_first_change_carries_the_sign_along_and_no_later_one(
    signed: SignedStore, watched: Watched
):
    done = await signed.apply(SOMETHING)
    assert [record and record.key for record in done] == ["one"]
    await signed.apply(SOMETHING)
    await signed.announce()
    assert watched.asked == [(SOMETHING, SIGN), (SOMETHING,)]


async def test_looking_gives_no_sign(signed: SignedStore, watched: Watched):
    await signed.get(KIND, "i_own")
    await signed.list(KIND)
    await signed.read("log")
    await signed.apply()
    assert not signed.may_be_known
    assert watched.asked == [()]


async def test_a_change_that_was_refused_gave_no_sign_and_the_next_one_does(
    signed: SignedStore, watched: Watched
):
    refused = Put(kind="thing", key="one", data={}, expect=7)
    with pytest.raises(Conflict):
        await signed.apply(refused)
    assert await watched.get(KIND, "i_own") is None
    await signed.apply(SOMETHING)
    assert await watched.get(KIND, "i_own") is not None


async def test_a_sign_whose_answer_was_lost_may_be_there_and_is_given_again(
    signed: SignedStore, watched: Watched
):
    watched.is_cut = True
    with pytest.raises(StoreFailed):
        await signed.announce()
    assert signed.may_be_known
    watched.is_cut = False
    await signed.announce()
    await signed.announce()
    assert watched.asked == [(SIGN,), (SIGN,)]


async def test_a_heartbeat_is_a_sign(signed: SignedStore, watched: Watched):
    beat = Put(kind=KIND, key="i_own", data={"stopping": True})
    await signed.apply(beat)
    await signed.apply(SOMETHING)
    assert watched.asked == [(beat,), (SOMETHING,)]


async def test_who_has_left_gives_no_sign_any_more(signed: SignedStore, watched: Watched):
    await signed.withdraw()
    assert watched.asked == [], "it was never given"
    await signed.apply(SOMETHING)
    assert await watched.get(KIND, "i_own") is None


async def test_a_sign_that_may_be_there_is_taken_back(signed: SignedStore, watched: Watched):
    watched.is_cut = True
    with pytest.raises(StoreFailed):
        await signed.apply(SOMETHING)
    watched.is_cut = False
    await signed.withdraw()
    assert await watched.get(KIND, "i_own") is None


async def test_a_command_line_whose_first_change_is_refused_leaves_nothing_of_itself(opener: Opener):
    async with opener() as host:
        web = SpawnRequest(alias="web", persistent=True)
        await host.containers.spawn(web)
        async with opener(serving=False) as short:
            with pytest.raises(Conflict):
                await short.containers.spawn(web)
        assert [record.key for record in (await host.store.list(KIND)).records] == [host.instance]


async def test_a_command_line_that_only_looks_is_not_recorded_as_a_host(opener: Opener):
    async with opener(serving=False) as short:
        await short.containers.list(caller=LOCAL)
        await short.containers.beat()
        assert (await short.store.list(KIND)).records == ()


async def test_a_host_that_stays_is_recorded_when_it_is_open_and_not_when_it_has_ended(opener: Opener):
    async with opener() as host:
        assert [record.key for record in (await host.store.list(KIND)).records] == [host.instance]
    async with opener(serving=False) as short:
        assert (await short.store.list(KIND)).records == ()


async def test_whoever_speaks_to_an_agent_is_known_before(
    opener: Opener, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
):
    async with opener() as host:
        container = (await host.containers.spawn(SpawnRequest(persistent=True))).container
    connect, known = runtime.connect, list[bool]()
    async with opener(serving=False) as short:

        async def watched(ref: str) -> ByteStream:
            known.append(await short.store.get(KIND, short.instance) is not None)
            return await connect(ref)

        monkeypatch.setattr(runtime, "connect", watched)
        await short.execs.start(container.id, ExecRequest(argv=("true",)), caller=LOCAL)
        await short.containers.kill(container.id, caller=LOCAL)
    assert known == [True]


async def test_a_command_line_that_makes_or_runs_something_is_recorded_until_it_ends(opener: Opener):
    async with opener(serving=False) as first:
        container = (await first.containers.spawn(SpawnRequest(persistent=True))).container
        assert [record.key for record in (await first.store.list(KIND)).records] == [first.instance]
    async with opener(serving=False) as second:
        assert (await second.store.list(KIND)).records == ()
        await second.execs.start(container.id, ExecRequest(argv=("true",)), caller=LOCAL)
        assert [record.key for record in (await second.store.list(KIND)).records] == [second.instance]
    async with opener(serving=False) as third:
        assert (await third.store.list(KIND)).records == ()
        await third.files.list(container.id, "/workspace", caller=LOCAL)
        assert [record.key for record in (await third.store.list(KIND)).records] == [third.instance]
        await third.containers.kill(container.id, caller=LOCAL)
