"""Several hosts on one database: each call is exact whatever the others do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import asyncpg
import pytest
import pytest_asyncio

from devbench_core.contracts.store import ABSENT, Append, Fence, LogEntry, Put, Remove
from devbench_core.errors import Conflict, StaleToken, StoreFailed
from devbench_store_sql.postgres.store import PostgresStore

OpenPostgres = Callable[..., AbstractAsyncContextManager[PostgresStore]]
HOSTS = 3
ROUNDS = 40


@pytest_asyncio.fixture
async def hosts(open_postgres: OpenPostgres) -> AsyncGenerator[list[PostgresStore]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_postgres()) for _ in range(HOSTS)]


async def test_of_hosts_that_claim_at_once_exactly_one_wins(hosts: list[PostgresStore]):
    async def claim(store: PostgresStore, number: int, key: str) -> int | None:
        try:
            await store.apply(Put(kind="claim", key=key, data={"by": number}, expect=ABSENT))
        except Conflict:
            return None
        return number

    for turn in range(ROUNDS):
        key = f"slot-{turn}"
        won = await asyncio.gather(*(claim(store, number, key) for number, store in enumerate(hosts)))
        (winner,) = [each for each in won if each is not None]
        record = await hosts[turn % HOSTS].get("claim", key)
        assert record is not None
        assert (record.data, record.revision) == ({"by": winner}, 1)


async def test_counters_of_several_hosts_lose_no_step(hosts: list[PostgresStore]):
    async def count(store: PostgresStore) -> None:
        done = 0
        while done < ROUNDS:
            record = await store.get("count", "n")
            now, revision = (int(str(record.data["n"])), record.revision) if record else (0, ABSENT)
            try:
                await store.apply(Put(kind="count", key="n", data={"n": now + 1}, expect=revision))
                done += 1
            except Conflict:
                continue

    await asyncio.gather(*(count(store) for store in hosts))
    record = await hosts[0].get("count", "n")
    assert record is not None
    assert (record.data["n"], record.revision) == (HOSTS * ROUNDS, HOSTS * ROUNDS)


async def test_hosts_that_write_the_same_records_in_opposite_orders_all_come_through(
    hosts: list[PostgresStore],
):
    keys = [f"{number:02}" for number in range(20)]

    async def write(store: PostgresStore, order: list[str], me: int) -> None:
        for turn in range(ROUNDS):
            terms = frozenset({f"by={me}", f"turn={turn}"})
            await store.apply(*(Put(kind="k", key=key, data={"by": me}, terms=terms) for key in order))

    orders = (keys, keys[::-1], keys[10:] + keys[:10])
    await asyncio.gather(*(write(store, orders[n], n) for n, store in enumerate(hosts)))
    page = await hosts[0].list("k")
    assert [record.key for record in page.records] == keys
    assert {record.revision for record in page.records} == {HOSTS * ROUNDS}
    assert len({str(record.data) for record in page.records}) == 1, "the last call was done as a whole"


async def test_a_record_that_comes_and_goes_on_several_hosts_keeps_its_terms_right(
    hosts: list[PostgresStore],
):
    async def flicker(store: PostgresStore, me: int) -> None:
        for _ in range(ROUNDS):
            await store.apply(Put(kind="k", key="x", data={"by": me}, terms=frozenset({f"by={me}"})))
            await store.apply(Remove(kind="k", key="x"))

    await asyncio.gather(*(flicker(store, number) for number, store in enumerate(hosts)))
    await hosts[0].apply(Put(kind="k", key="x", data={}, terms=frozenset({"last"})))
    for number in range(HOSTS):
        assert (await hosts[1].list("k", terms=frozenset({f"by={number}"}))).records == ()
    assert len((await hosts[1].list("k", terms=frozenset({"last"}))).records) == 1


async def test_entries_that_several_hosts_append_are_there_once(hosts: list[PostgresStore]):
    async def append(store: PostgresStore, me: int) -> None:
        for start in range(0, 200, 20):
            entries = tuple(LogEntry(seq=seq, data=bytes([me])) for seq in range(start + 1, start + 21))
            await store.apply(Append(log="log", entries=entries))

    await asyncio.gather(*(append(store, number) for number, store in enumerate(hosts)))
    assert [entry.seq for entry in await hosts[0].read("log", limit=1000)] == list(range(1, 201))


async def test_what_a_superseded_holder_writes_is_refused_in_the_moment_of_the_change_of_hands(
    hosts: list[PostgresStore],
):
    old, new, reader = hosts
    for turn in range(1, ROUNDS, 2):
        started = asyncio.Event()

        async def write_on(token: int, started: asyncio.Event) -> None:
            while True:
                put = Put(kind="k", key="x", data={"by": token})
                await old.apply(Fence(key="k", token=token), put)
                started.set()

        writing = asyncio.create_task(write_on(turn, started))
        await started.wait()
        await new.apply(Fence(key="k", token=turn + 1), Put(kind="k", key="x", data={"by": turn + 1}))
        with pytest.raises(StaleToken):
            await writing
        record = await reader.get("k", "x")
        assert record is not None
        assert record.data == {"by": turn + 1}


async def test_of_the_first_tokens_of_a_key_that_hosts_bring_at_once_the_greatest_is_kept(
    hosts: list[PostgresStore],
):
    for turn in range(ROUNDS):
        bringing = [store.apply(Fence(key=f"{turn}", token=9 - n)) for n, store in enumerate(hosts)]
        await asyncio.gather(*bringing, return_exceptions=True)
        with pytest.raises(StaleToken) as caught:
            await hosts[turn % HOSTS].apply(Fence(key=f"{turn}", token=1))
        assert caught.value.details["greatest"] == 9


@pytest.mark.timeout(120)
async def test_ten_hosts_that_start_at_once_migrate_once(open_postgres: OpenPostgres):
    async def start(number: int) -> None:
        async with open_postgres() as store:
            await store.apply(Put(kind="host", key=f"{number}", data={}))

    await asyncio.gather(*(start(number) for number in range(10)))
    async with open_postgres() as store:
        assert len((await store.list("host")).records) == 10


async def test_a_record_that_came_while_another_was_waited_for_is_removed_with_it(
    hosts: list[PostgresStore], url: str
):
    await hosts[0].apply(Put(kind="k", key="a", data={}))
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE records SET revision = 2 WHERE key = 'a'")
    await other.execute(
        "INSERT INTO records (kind, key, revision, data, terms) VALUES ('k', 'b', 1, '{}', '[]')"
    )
    removing = asyncio.create_task(hosts[0].apply(Remove(kind="k", key="a"), Remove(kind="k", key="b")))
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(20):
        while not await other.fetchval(waits):
            await asyncio.sleep(0.01)
    await transaction.commit()
    await other.close()
    await removing
    assert (await hosts[1].list("k")).records == ()


async def test_what_the_database_refuses_of_one_call_fails_no_other(hosts: list[PostgresStore]):
    chance = random.Random(3)  # noqa: S311 - repeatable, not secret
    too_long = "".join(
        chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(1000)
    )  # for an index of PostgreSQL
    calls = [hosts[0].apply(Put(kind="k", key=f"{n}", data={}, terms=frozenset({"t"}))) for n in range(10)]
    bad = hosts[0].apply(Put(kind="k", key="bad", data={}, terms=frozenset({too_long})))
    *fine, refused = await asyncio.gather(*calls, bad, return_exceptions=True)
    assert isinstance(refused, StoreFailed)
    assert not [each for each in fine if isinstance(each, BaseException)]
    assert len((await hosts[0].list("k")).records) == 10
