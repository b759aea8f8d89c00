"""Containers through the command line: each command is a process of its own."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any


def test_kill_tries_all_and_may_be_repeated(cli: Any):
    container = cli.ok("spawn").strip()
    done = cli.run("kill", "nobody", container)
    assert done.returncode == 3
    assert done.stdout.decode() == f"{container} killed\n"
    assert cli.ok("kill", container) == f"{container} killed\n"
    done = cli.run("exec", container, "true")
    assert done.returncode == 125
    assert done.stderr.startswith(b"error[container_exited]")


def test_ps_filters_by_label_and_pages(cli: Any, web: str):
    others = [cli.ok("spawn", "--label", "team=red").strip() for _ in range(2)]
    first = cli.json("ps", "--label", "team=red", "--limit", "1")
    second = cli.json("ps", "--label", "team=red", "--limit", "1", "--after", first["cursor"])
    assert {page["containers"][0]["id"] for page in (first, second)} == set(others)
    assert "web" not in cli.ok("ps", "--label", "team=red")
    cli.ok("kill", *others)
    assert cli.json("ps", "--label", "team=red")["containers"] == []
    ended = cli.json("ps", "--all", "--label", "team=red")["containers"]
    assert {found["id"]: found["ending"]["reason"] for found in ended} == dict.fromkeys(others, "killed")


def test_a_container_has_a_day_to_live_unless_told_otherwise(cli: Any, web: str):
    assert cli.json("inspect", web)["container"]["ttl_s"] == 86400
    forever = cli.ok("spawn", "--ttl", "never", "--memory", "64M").strip()
    found = cli.json("inspect", forever)
    assert found["container"]["ttl_s"] is None
    assert found["container"]["persistent"] is True
    assert found["policy"]["memory_bytes"] == 64 << 20


def test_without_a_host_the_next_command_ends_what_is_due(cli: Any):
    container = cli.ok("spawn", "--ttl", "0.001s").strip()
    cli.ok("ps")
    assert cli.json("inspect", container)["container"]["ending"]["reason"] == "expired"


def rows_of(cli: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that is in the store."""
    (database,) = cli.folder.rglob("devbench.db")
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        return {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in tables}  # noqa: S608 - its own tables


def test_commands_that_only_look_write_nothing(cli: Any, web: str):
    cli.ok("exec", web, "true")  # by a host that has died since, as far as others see
    before = rows_of(cli)
    for _ in range(2):
        assert web in cli.ok("ps")
        cli.ok("ps", "--all")
        cli.ok("inspect", web)
        cli.ok("execs", web)
    after = rows_of(cli)
    assert {name for name in before if before[name] != after[name]} == set()


def test_the_same_key_gives_the_same_container(cli: Any):
    first = json.loads(cli.ok("spawn", "--key", "once", "--json"))
    again = json.loads(cli.ok("spawn", "--key", "once", "--json"))
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["container"]["id"] == again["container"]["id"]
    done = cli.run("spawn", "--key", "once", "--label", "other=yes")
    assert done.returncode == 5
    assert done.stderr.startswith(b"error[conflict]")


def test_a_taken_alias_is_a_conflict_with_a_hint(cli: Any, web: str):
    done = cli.run("spawn", "--alias", web)
    assert done.returncode == 5
    assert b"hint: " in done.stderr


def test_what_the_operator_does_not_allow_is_refused_by_name(cli: Any):
    done = cli.run("spawn", "--network", "engine")
    assert done.returncode in {2, 4}
    assert b"network" in done.stderr


def test_an_unknown_image_is_not_found(cli: Any):
    done = cli.run("spawn", "no-such-image:none")
    assert done.returncode == 3
    assert done.stderr.startswith(b"error[image_not_found]")


def test_inspect_tells_people_all_but_the_values_of_variables(cli: Any, web: str):
    shown = cli.ok("inspect", web)
    for part in ("running", cli.runtime, "team=blue", "GREETING", "network none", "read-only root"):
        assert part in shown
    assert "hello" not in shown


def test_errors_for_machines_are_json(cli: Any):
    done = cli.run("inspect", "nobody", "--json")
    assert (done.returncode, done.stdout) == (3, b"")
    assert json.loads(done.stderr)["error"]["code"] == "container_not_found"


def test_logs_never_reach_stdout(cli: Any):
    done = cli.run("-vv", "ps", "--label", "no=such")
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr
