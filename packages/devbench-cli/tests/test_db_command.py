"""`devbench db` looks after the store, whatever it is."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from devbench_store_sql.migrate import HEAD
from harness.databases import (
    NO_RUNTIME,
    URL,
    done_well,
    filled,
    with_store,
)
from harness.installing import install
from harness.postgres import Server

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]
FILLED = """
    from devbench_core.contracts.store import Append, LogEntry, Put
    from devbench_core.memory.store import MemoryStore

    store = MemoryStore()
    await store.apply(Put(kind="k", key="a", data={}), Append(log="l", entries=(LogEntry(seq=1, data=b"x"),)))
    yield store
"""
BARE = """
from contextlib import asynccontextmanager
from devbench_core.memory.plugin import NoSettings
from devbench_core.contracts.provider import Provider
from devbench_core.hookspecs import hookimpl

class Bare:
    pass

@asynccontextmanager
async def opened(settings, context):
    yield Bare()

class Plugin:
    @hookimpl
    def devbench_stores(self):
        return [Provider(name="bare", settings=NoSettings, open=opened)]

plugin = Plugin()
"""
OTHER = BARE.replace("    yield Bare()", FILLED)


def test_a_new_store_is_shown_made_and_shown_again(devbench: Devbench, kept: dict[str, str], tmp_path: Path):
    env = {**kept, **NO_RUNTIME}
    refused = devbench("db", "export", "a.dump", env=env)
    assert refused.returncode == 1
    assert "nothing is there" in refused.stderr
    assert not (tmp_path / "a.dump").exists()
    before = json.loads(done_well(devbench("db", "current", "--json", env=env)))
    assert (before["schema"], before["wanted"], before["usable"]) == (None, HEAD, True)
    assert f"schema none -> {HEAD}" in done_well(devbench("db", "upgrade", env=env))
    assert json.loads(done_well(devbench("db", "upgrade", "--json", env=env))) == {"from": HEAD, "to": HEAD}
    after = json.loads(done_well(devbench("db", "current", "--json", env=env)))
    assert (after["schema"], after["records"], after["entries"]) == (HEAD, {}, 0)


def test_what_is_shown_are_version_size_and_numbers_by_kind(
    devbench: Devbench, state: Path, kept: dict[str, str]
):
    with_store(state, kept, filled)
    found = json.loads(done_well(devbench("db", "current", "--json", env=kept)))
    assert found["records"] == {"installation": 1, "k": 1, "many": 700}
    assert (found["logs"], found["entries"]) == (1, 399)
    assert found["size_bytes"] > 400_000
    shown = done_well(devbench("db", "current", env=kept))
    assert f"{HEAD} (current)" in shown
    assert "many" in shown


def test_a_newer_store_is_shown_and_otherwise_refused(devbench: Devbench, state: Path, tmp_path: Path):
    with_store(state, {}, filled)
    with closing(sqlite3.connect(state / "devbench.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE schema_rule SET oldest = '9999'")
    shown = json.loads(done_well(devbench("db", "current", "--json")))
    assert (shown["schema"], shown["usable"], shown["records"]) == ("9999", False, {})
    assert "upgrade devbench" in done_well(devbench("db", "current"))
    for command in (("upgrade",), ("export", "a.dump"), ("import", "--replace", "a.dump")):
        refused = devbench("db", *command)
        assert refused.returncode == 1, command
        assert "'9999'" in refused.stderr
        assert "newer" in refused.stderr
    assert devbench("db", "check").returncode == 1


def test_a_newer_store_that_allows_this_program_is_worked_with_as_it_is(devbench: Devbench, state: Path):
    with_store(state, {}, filled)
    with closing(sqlite3.connect(state / "devbench.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert f"9999 (newer than {HEAD}, and still for this devbench, too)" in done_well(
        devbench("db", "current")
    )
    assert "nothing to do: schema 9999" in done_well(devbench("db", "upgrade"))
    assert "no fault" in done_well(devbench("db", "check"))
    done_well(devbench("db", "export", "a.dump"))
    done_well(devbench("db", "import", "--replace", "a.dump"))


def test_terms_that_a_record_has_not_are_found(
    devbench: Devbench, state: Path, kept: dict[str, str], request: pytest.FixtureRequest
):
    with_store(state, kept, filled)
    harm = "INSERT INTO record_terms (kind, term, key) VALUES ('k', 'strange', 'a')"
    if kept:
        server: Server = request.getfixturevalue("postgres_server")
        server.psql(harm, kept[URL].partition("@/")[2].partition("?")[0])
    else:
        with closing(sqlite3.connect(state / "devbench.db")) as connection, connection:
            connection.execute(harm)
    found = devbench("db", "check", "--json", env=kept)
    assert found.returncode == 1
    assert json.loads(found.stdout)["faults"] == [
        "record k 'a': it is found by other terms than it has: 'strange'"
    ]


def test_damage_is_found_by_sqlites_own_check_whose_advice_helps(devbench: Devbench, state: Path):
    with_store(state, {}, filled)
    done_well(devbench("db", "vacuum"))
    done_well(devbench("db", "export", "backup.dump.gz"))
    database = state / "devbench.db"
    with database.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096)
    found = devbench("db", "check")
    assert found.returncode == 1
    assert "SQLite: " in found.stdout
    assert (
        devbench("db", "import", "--replace", "backup.dump.gz").returncode == 1
    )  # it must read what it deletes
    assert "move this database aside" in found.stdout
    for file in state.glob("devbench.db*"):
        file.rename(state / f"damaged-{file.name}")
    done_well(devbench("db", "import", "backup.dump.gz"))
    assert "no fault" in done_well(devbench("db", "check"))


def test_a_damaged_record_is_named_when_it_is_exported(
    devbench: Devbench, state: Path, kept: dict[str, str], request: pytest.FixtureRequest
):
    with_store(state, kept, filled)
    harm = "UPDATE records SET data = '{' WHERE kind = 'k' AND key = 'a'"
    if kept:
        server: Server = request.getfixturevalue("postgres_server")
        server.psql(harm, kept[URL].partition("@/")[2].partition("?")[0])
    else:
        with closing(sqlite3.connect(state / "devbench.db")) as connection, connection:
            connection.execute(harm)
    refused = devbench("db", "export", "--json", "-", env=kept)
    assert refused.returncode == 1
    error = json.loads(refused.stderr)["error"]
    assert (error["code"], error["details"]) == ("store_failed", {"kind": "k", "key": "a"})
    assert "record k 'a' is damaged" in error["message"]
    assert "devbench db check" in error["hint"]


def test_a_vacuum_gives_space_back(devbench: Devbench, state: Path):
    with_store(state, {}, filled)
    with_store(state, {}, lambda store: store.drop("out"))
    told = json.loads(done_well(devbench("db", "vacuum", "--json")))
    assert told["size_bytes"] < told["size_bytes_before"] - 300_000
    assert "no fault" in done_well(devbench("db", "check"))


def test_what_a_store_does_not_offer_is_refused_by_name(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text('plugins = ["bare"]\nstore = "bare"\n')
    env = install(tmp_path, "bare", BARE)
    for command in ("current", "upgrade", "check", "vacuum"):
        refused = devbench("db", command, env=env)
        assert refused.returncode == 2
        assert "'bare' offers no maintenance" in refused.stderr
    refused = devbench("db", "export", "a.dump", env=env)
    assert "'bare' cannot be exported: it does not offer SupportsDump" in refused.stderr
    refused = devbench("db", "import", "a.dump", env=env)
    assert "'bare' cannot take in what was exported: it does not offer SupportsLoad" in refused.stderr


def test_a_store_of_others_is_exported_and_imported_by_its_powers_alone(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text('plugins = ["other", "sql"]\nstore = "bare"\n')
    env = install(tmp_path, "other", OTHER)
    told = json.loads(done_well(devbench("db", "export", "--json", "a.dump", env=env)))
    assert (told["records"], told["entries"]) == (1, 1)
    done_well(devbench("db", "import", "a.dump", env={"DEVBENCH_STORE": "sql", **env}))
    taken = json.loads(done_well(devbench("db", "import", "--replace", "--json", "a.dump", env=env)))
    assert (taken["store"], taken["records"]) == ("bare", 1)


def test_the_store_in_memory_has_nothing_to_export_and_keeps_nothing(devbench: Devbench):
    for command in (("export", "a.dump"), ("import", "a.dump")):
        refused = devbench("db", *command, env={"DEVBENCH_STORE": "memory"})
        assert refused.returncode == 2
        assert "'memory' holds nothing when its process has ended" in refused.stderr
