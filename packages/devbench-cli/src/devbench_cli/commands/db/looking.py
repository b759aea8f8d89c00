"""`devbench db current` and `check`: they change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options, options_of

if TYPE_CHECKING:
    from devbench_core.contracts.store_powers import StoreState


@click.command()
@click.pass_context
def current(ctx: click.Context) -> None:
    """Show the store: where it is, its version and the wanted one, its size, and how much it holds.

    Nothing is opened, made or migrated. A store that is newer than this devbench is shown too; its records are then
    counted only where this devbench may use them.

    Examples:
      devbench db current
      devbench db current --json | jq .records
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, _current(options))


async def _current(options: Options) -> None:
    from devbench_cli.show.results import facts, json_line, size, table
    from devbench_cli.stores import maintained

    async with maintained(options) as (chosen, maintenance):
        state = await maintenance.state()
    if options.as_json:
        return json_line(
            {
                "store": chosen.provider.name,
                "backend": state.backend,
                "schema": state.schema or None,
                "wanted": state.wanted,
                "usable": state.usable,
                "size_bytes": state.size_bytes,
                "records": dict(state.records),
                "logs": state.logs,
                "entries": state.entries,
            }
        )
    facts(
        [
            ("store", f"{chosen.provider.name}: {state.backend}"),
            ("schema", f"{state.schema or 'none'} ({verdict(state)})"),
            ("size", size(state.size_bytes)),
            ("logs", f"{state.logs} with {state.entries} entries"),
        ]
    )
    if state.records:
        table(("KIND", "RECORDS"), [(kind, str(count)) for kind, count in state.records.items()])
    return None


def verdict(state: StoreState) -> str:
    """Say what the versions mean, and what to do."""
    if not state.usable:
        return f"newer than this devbench can use, which knows {state.wanted}: upgrade devbench"
    if not state.schema:
        return f"made at first use, or by `devbench db upgrade`; wanted is {state.wanted}"
    if state.schema < state.wanted:
        return f"older than {state.wanted}: the next host upgrades it, or `devbench db upgrade`"
    if state.schema > state.wanted:
        return f"newer than {state.wanted}, and still for this devbench, too"
    return "current"


@click.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Look through the whole store for damage; exit 1 when there is some. Hosts may go on meanwhile.

    SQLite's own check of every page, and on both databases every record: whether it can be read, and is found by the
    terms that it has. Nothing is mended: stop the hosts, move the database aside, and take a backup into a new one with
    `devbench db import`.

    Examples:
      devbench db check
      devbench db check --json | jq -r '.faults[]'
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    if not run(options, _check(options)):
        ctx.exit(1)


async def _check(options: Options) -> bool:
    from devbench_cli.show.results import json_line, line, printable
    from devbench_cli.stores import maintained, power_of
    from devbench_core.contracts.store_powers import SupportsCheck

    async with maintained(options) as (chosen, maintenance):
        faults = await power_of(maintenance, SupportsCheck, chosen).check()
    if options.as_json:
        json_line({"ok": not faults, "faults": list(faults)})
    elif faults:
        for fault in faults:
            line(printable(fault))
        line(
            "\nstop the hosts, move this database aside, and restore a backup into a new one: devbench db import FILE"
        )
    else:
        line("no fault was found")
    return not faults
