"""`devbench db export` and `import`: everything moves, or nothing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from devbench_store_sql.migrate import HEAD
from harness.databases import (
    INSTALLATION,
    NO_RUNTIME,
    URL,
    content,
    done_well,
    filled,
    left,
    lived_on,
    with_store,
)
from harness.postgres import Server

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_move_to_postgresql_and_back_loses_nothing(
    devbench: Devbench, state: Path, tmp_path: Path, postgres_server: Server
):
    with_store(state, {}, filled)
    postgres = {URL: postgres_server.database(), **NO_RUNTIME}
    back = {URL: f"sqlite:///{tmp_path}/back.db", **NO_RUNTIME}
    told = json.loads(done_well(devbench("db", "export", "--json", "a.dump.gz", env=NO_RUNTIME)))
    assert (told["records"], told["logs"], told["entries"]) == (702, 1, 399)
    assert "702 records" in done_well(devbench("db", "import", "a.dump.gz", env=postgres))
    done_well(devbench("db", "export", "b.dump", env=postgres))
    done_well(devbench("db", "import", "b.dump", env=back))
    first, between, last = (
        done_well(devbench("db", "export", "-", env=env)) for env in (NO_RUNTIME, postgres, back)
    )
    assert content(first) == content(between) == content(last)
    assert json.loads(first.splitlines()[-1])["end"]["records"] == 702
    assert '"revision":3' in first
    done_well(devbench("db", "vacuum", env=postgres))
    for env in (postgres, back):
        assert "no fault" in done_well(devbench("db", "check", env=env))


def test_a_dump_is_readable_to_its_owner_only_and_goes_through_pipes(
    devbench: Devbench, state: Path, tmp_path: Path
):
    with_store(state, {}, filled)
    done_well(devbench("db", "export", "a.dump"))
    assert (tmp_path / "a.dump").stat().st_mode & 0o777 == 0o600
    piped = done_well(devbench("db", "export", "-"))
    done_well(devbench("db", "import", "--replace", "-", stdin=piped))
    assert content(done_well(devbench("db", "export", "-"))) == content(piped)


def test_a_store_that_is_not_empty_is_replaced_when_asked_for_and_no_host_lives_on_it(
    devbench: Devbench, state: Path, kept: dict[str, str]
):
    with_store(state, kept, filled)
    before = done_well(devbench("db", "export", "-", env=kept))
    refused = devbench("db", "import", "-", env=kept, stdin=before)
    assert refused.returncode == 5
    assert "is not empty" in refused.stderr
    assert "--replace" in refused.stderr
    with_store(state, kept, lived_on)
    refused = devbench("db", "import", "--replace", "-", env=kept, stdin=before)
    assert refused.returncode == 5
    assert "i_host" in refused.stderr
    assert "stop them" in refused.stderr
    with_store(state, kept, left)
    done_well(devbench("db", "import", "--replace", "-", env=kept, stdin=before))
    assert content(done_well(devbench("db", "export", "-", env=kept))) == content(before)


def test_a_file_that_is_not_whole_changes_nothing(devbench: Devbench, state: Path, kept: dict[str, str]):
    with_store(state, kept, filled)
    before = done_well(devbench("db", "export", "-", env=kept))
    harmed = {
        "cut": before[: len(before) * 3 // 4],
        "damaged": before.replace('"key":"0300"', '"key":"0301"'),
        "format": "SQLite format 3",
    }
    for reason, text in harmed.items():
        refused = devbench("db", "import", "--replace", "--json", "-", env=kept, stdin=text)
        assert refused.returncode == 4
        assert json.loads(refused.stderr)["error"]["details"]["reason"] == reason
    assert content(done_well(devbench("db", "export", "-", env=kept))) == content(before)


def test_a_target_that_is_full_stays_as_it_was(devbench: Devbench, state: Path, tmp_path: Path):
    with_store(state, {}, filled)
    done_well(devbench("db", "export", "a.dump"))
    small = {URL: f"sqlite:///{tmp_path}/small.db"}
    done_well(devbench("db", "upgrade", env=small))
    limited = ["prlimit", "--fsize=300000"]
    full = devbench("db", "import", "a.dump", env=small, prefix=limited)
    assert full.returncode == 1
    assert "full" in full.stderr
    assert json.loads(done_well(devbench("db", "current", "--json", env=small)))["records"] == {}
    done_well(devbench("db", "import", "a.dump", env=small))


def test_an_export_that_finds_no_space_leaves_the_last_one(devbench: Devbench, state: Path, tmp_path: Path):
    with_store(state, {}, filled)
    (tmp_path / "a.dump").write_text("the last one")
    full = devbench("db", "export", "a.dump", prefix=["prlimit", "--fsize=100000"])
    assert full.returncode == 2
    assert "cannot be written" in full.stderr
    assert (tmp_path / "a.dump").read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_a_dump_of_another_installation_than_configured_is_refused(devbench: Devbench, state: Path):
    with_store(state, {}, filled)
    done_well(devbench("db", "export", "a.dump"))
    refused = devbench("db", "import", "--replace", "a.dump", env={"DEVBENCH_INSTALLATION": "n_other"})
    assert refused.returncode == 78
    assert INSTALLATION in refused.stderr


def test_an_export_leaves_an_older_schema_as_it_is_and_an_upgrade_does_not(devbench: Devbench, state: Path):
    with_store(state, {}, filled)
    with closing(sqlite3.connect(state / "devbench.db")) as connection, connection:
        connection.execute("DROP TABLE schema_rule")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "702 records" in done_well(devbench("db", "export", "a.dump"))
    assert "0001 (older than" in done_well(devbench("db", "current"))
    assert f"schema 0001 -> {HEAD}" in done_well(devbench("db", "upgrade"))
    assert "(current)" in done_well(devbench("db", "current"))
