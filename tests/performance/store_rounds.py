"""The stores against each other, under many callers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from devbench_core.contracts.store import Append, LogEntry, Put, Store
from devbench_core.json_types import JsonObject
from devbench_store_sql.opening import opened as sqlite
from devbench_store_sql.postgres.opening import opened as postgres
from devbench_store_sql.settings import SqlSettings
from harness.postgres import server
from performance import burst
from performance.measure import Row, Step
from performance.setting import Setting

CALLERS = 50
KEYS = 20
DATA: JsonObject = {"text": "x" * 200}
PIECE = b"y" * 500


async def run(setting: Setting) -> list[Row]:
    """Measure both on this machine's disk."""
    folder = Path(setting.folder / "sqlite")
    with server(durable=True) as running:
        shared = SqlSettings.model_validate({"url": running.database()})
        async with (
            sqlite(SqlSettings(), folder) as normal,
            sqlite(SqlSettings(synchronous="full"), setting.folder / "full") as full,
            postgres(shared) as other,
        ):
            stores: dict[str, Store] = {
                "SQLite": normal,
                "SQLite, synchronous = full": full,
                "PostgreSQL": other,
            }
            return [
                await burst.measure(
                    operation,
                    {name: (steps(store, mix), setting.burst) for name, store in stores.items()},
                    {},
                    callers=CALLERS,
                )
                for operation, mix in MIXES.items()
            ]


MIXES = {
    "reads of a record": ("get",),
    "writes of a record": ("put",),
    "mixed: 4 writes, 2 appends to a log, 3 reads, 1 list": ("put",) * 4
    + ("append",) * 2
    + ("get",) * 3
    + ("list",),
}


def steps(store: Store, mix: Sequence[str]) -> list[Step]:
    """Return what each caller does: something of the mix, on records and a log of its own."""
    return [_caller(store, mix, number) for number in range(CALLERS)]


def _caller(store: Store, mix: Sequence[str], number: int) -> Step:
    chance, numbers = random.Random(number), count(1)  # noqa: S311 - repeatable, not secret

    async def step() -> None:
        key = f"{number}-{chance.randrange(KEYS)}"
        match chance.choice(mix):
            case "get":
                await store.get("bench", key)
            case "put":
                await store.apply(
                    Put(kind="bench", key=key, data=DATA, terms=frozenset({f"caller={number}"}))
                )
            case "append":
                entry = LogEntry(seq=next(numbers), data=PIECE)
                await store.apply(Append(log=f"bench-{number}", entries=(entry,)))
            case _:
                await store.list("bench", terms=frozenset({f"caller={number}"}))

    return step
