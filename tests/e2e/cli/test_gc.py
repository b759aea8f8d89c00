"""`devbench gc`: what is due goes now, and `--dry-run` only says so."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

NO_GRACE = {"DEVBENCH_LIFETIMES__ORPHAN_GRACE_S": "0"}


def forget(cli: Any, container: str) -> None:
    """Lose a container's record, as a store does that is restored from an older backup."""
    with closing(sqlite3.connect(cli.folder / "state" / "devbench.db")) as database, database:
        database.execute("DELETE FROM record_terms WHERE kind = 'container' AND key = ?", (container,))
        database.execute("DELETE FROM records WHERE kind = 'container' AND key = ?", (container,))


def found(cli: Any, *arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = cli.run("gc", *arguments, "--json", env=env)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_where_nothing_is_due_nothing_is_done(cli: Any, web: str):
    assert found(cli, "--dry-run") == {"round": "none", "findings": []}
    assert found(cli) == {"round": "done", "findings": []}
    assert cli.ok("gc") == ""
    assert len(cli.living()) == 1


def test_an_orphan_goes_when_its_grace_is_over(each_cli: Any):
    container = each_cli.ok("spawn").strip()
    forget(each_cli, container)
    (orphan,) = found(each_cli, "--dry-run")["findings"]
    assert (orphan["what"], orphan["id"], orphan["done"]) == ("orphan", container, False)
    assert orphan["reason"] == "lifetimes.orphan_grace_s"
    assert orphan["due_in_s"] == 300, "to look does not begin the grace"
    kept = found(each_cli)
    assert kept["round"] == "done"
    assert [each["done"] for each in kept["findings"]] == [False]
    (orphan,) = found(each_cli, "--dry-run")["findings"]
    assert orphan["due_in_s"] < 300
    shown = each_cli.ok("gc", "--dry-run")
    assert shown.split()[:5] == ["WHAT", "ID", "COUNT", "WHY", "WHEN"]
    assert container in shown
    (orphan,) = found(each_cli, env=NO_GRACE)["findings"]
    assert (orphan["id"], orphan["done"]) == (container, True)
    assert found(each_cli, "--dry-run")["findings"] == []
