"""Keyed commands against a plain model: whoever calls, asks for what, and dies when, each command runs once."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from pathlib import Path

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.contracts.store import Store
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import Conflict
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Exec, ExecReason, ExecRequest
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, host_in, open_host, running_agent
from harness.mortal_host import Life, MortalStore, MortalStream

KEYS, LABELS = ("k1", "k2"), ("a", "b")
CALL = st.tuples(st.sampled_from(KEYS), st.sampled_from(LABELS))


@attrs.frozen
class Part:
    """One host's life: who calls at once, when it dies, and whether it reconciles first."""

    calls: list[tuple[str, str]]
    steps: int | None
    reconciles: bool


PART = st.builds(
    Part,
    calls=st.lists(CALL, min_size=1, max_size=4),
    steps=st.one_of(st.none(), st.integers(0, 14)),
    reconciles=st.booleans(),
)
ROUND = st.lists(PART, min_size=1, max_size=3)
"""Hosts that live at the same time."""


@given(st.lists(ROUND, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_command_with_a_key_runs_once_whoever_dies(rounds: list[list[Part]]):
    with tempfile.TemporaryDirectory() as folder, running_agent(Path(folder)) as agent:
        asyncio.run(check(agent, rounds))


def request_of(key: str, label: str) -> ExecRequest:
    return ExecRequest(argv=("sh", "-c", f"echo {key} >> count; echo {label}"))


async def check(agent: LocalAgent, rounds: list[list[Part]]) -> None:
    store, told = MemoryStore(), Counter[str]()
    given_ids: dict[str, set[str]] = {key: set() for key in KEYS}
    async with open_host(agent.connect, agent.token, store=store, instance="i_claims") as first:
        await first.link.channel()
    dead = {"i_claims"}
    for number, parts in enumerate(rounds):
        lives = [live(agent, store, f"i_{number}_{n}", dead, part) for n, part in enumerate(parts)]
        for key, record in itertools.chain.from_iterable(await asyncio.gather(*lives)):
            given_ids[key].add(record.id)
            told[key] += not record.replayed
    assert all(count <= 1 for count in told.values())
    async with open_host(agent.connect, agent.token, claim=False, store=store, instance="i_last") as host:
        host.dead |= dead
        for key in KEYS:
            found = await the_one(host, key)
            assert given_ids[key] <= {found.id}
            ended = await host.execs.wait(found.id, wait_s=20)
            assert ended.ending is not None
            assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0)
        await host.execs.recover(attrs.evolve(host.container, instance="i_last"))
        assert all(each.ending for each in await host.execs.list(CONTAINER_ID))
        assert host.execs.running_here == 0
    lines = Counter((agent.workspace / "count").read_text().split())
    assert lines == dict.fromkeys(KEYS, 1)


async def live(
    agent: LocalAgent, store: Store, instance: str, dead: set[str], part: Part
) -> list[tuple[str, Exec]]:
    """Let a host live, and return the commands that its callers were told of."""
    life = Life(steps=part.steps)

    async def connect() -> ByteStream:
        return MortalStream(await agent.connect(), life)

    told: list[tuple[str, Exec]] = []

    async def call(host: Host, key: str, label: str) -> None:
        try:
            told.append(
                (key, await host.execs.start(CONTAINER_ID, request_of(key, label), idempotency_key=key))
            )
        except Conflict as conflict:
            assert repr(key) in conflict.message  # noqa: PT017 - some of many calls end so

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            host = host_in(
                tasks,
                connect,
                agent.token,
                claim=False,
                store=MortalStore(store, life),
                instance=instance,
            )
            host.dead = dead
            if part.reconciles:
                await host.execs.recover(attrs.evolve(host.container, instance=instance))
            await asyncio.gather(*(call(host, key, label) for key, label in part.calls))
            if life.steps is None:
                await host.link.aclose()
                await host.execs.aclose()
            else:
                life.died.set()
                await life.step()

    living = asyncio.create_task(run())
    dying = asyncio.create_task(life.died.wait())
    await asyncio.wait([living, dying], return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert life.died.is_set() or living.done()
    dead.add(instance)
    for task in (living, dying):
        task.cancel()
    results = await asyncio.gather(living, dying, return_exceptions=True)
    assert not isinstance(results[0], Exception), results
    return told


async def the_one(host: Host, key: str) -> Exec:
    """Return the command of a key: one of the requests is its, and the other is refused."""
    results = [
        await asyncio.gather(
            host.execs.start(CONTAINER_ID, request_of(key, label), idempotency_key=key),
            return_exceptions=True,
        )
        for label in LABELS
    ]
    found = [result for (result,) in results if isinstance(result, Exec)]
    refused = [result for (result,) in results if isinstance(result, Conflict)]
    assert (len(found), len(refused)) == (1, 1), results
    return found[0]
