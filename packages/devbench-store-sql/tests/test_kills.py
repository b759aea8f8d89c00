"""A process that is killed inside its writes loses nothing that was acknowledged, and leaves nothing half done."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROUNDS = 12
END_TIMEOUT_S = 30
WRITE = """
import asyncio, sys
from pathlib import Path

import pytest
from devbench_core.contracts.store import Append, LogEntry, Put, Remove
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings

async def main() -> None:
    async with opened(SqlSettings(), Path(sys.argv[1])) as store:
        record = await store.get("count", "n")
        number = int(record.data["n"]) if record else 0
        print("ready", flush=True)
        while True:
            number += 1
            term = frozenset({f"n={number}"})
            await store.apply(
                Put(kind="count", key="n", data={"n": number}, terms=term),
                Put(kind="item", key=f"{number:06}", data={"n": number}, terms=term),
                Remove(kind="item", key=f"{number - 2:06}"),
            )
            await store.apply(Append(log="log", entries=(LogEntry(seq=number, data=b"x" * 3000),)))
            print(number, flush=True)

asyncio.run(main())
"""


def killed_writer(state: Path, after_s: float) -> list[int]:
    """Run a writer, kill it, and return the numbers that it said were written."""
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(state)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    lines = process.stdout.read().splitlines(keepends=True)
    process.wait(END_TIMEOUT_S)
    return [int(line) for line in lines if line.endswith("\n")]


@pytest.mark.timeout(300)
def test_a_writer_that_is_killed_again_and_again_loses_nothing(tmp_path: Path):
    chance = random.Random(20)  # noqa: S311 - repeatable, not secret
    state = tmp_path / "state"
    told: list[int] = []
    before = 0
    for _ in range(ROUNDS):
        told += killed_writer(state, chance.uniform(0.0, 0.15))
        with closing(sqlite3.connect(state / "devbench.db")) as connection:
            query = connection.execute
            assert query("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert query("PRAGMA foreign_key_check").fetchall() == []
            rows = query("SELECT kind, key FROM records ORDER BY kind, key").fetchall()
            data = query("SELECT data FROM records WHERE kind = 'count'").fetchone()
            logged = [seq for (seq,) in query("SELECT seq FROM logs ORDER BY seq")]
            terms = {term for (term,) in query("SELECT term FROM record_terms")}
        count: int = json.loads(data[0])["n"] if data else 0
        last = max([before, *told])
        assert count in {last, last + 1}, "what was acknowledged is there, and at most the call under way"
        kept = range(max(1, count - 1), count + 1)
        expected = [("count", "n")] if count else []
        assert rows == [*expected, *(("item", f"{n:06}") for n in kept)], "each call was done as a whole"
        assert terms == {f"n={n}" for n in kept}
        assert set(told) <= set(logged) <= set(range(1, count + 1)), "every acknowledged entry is there"
        before = count
    assert len(told) > ROUNDS
