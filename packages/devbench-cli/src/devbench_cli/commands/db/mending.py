"""`devbench db upgrade` and `vacuum`."""

from __future__ import annotations

import click

from devbench_cli.options import Options, options_of


@click.command()
@click.pass_context
def upgrade(ctx: click.Context) -> None:
    """Bring the store to the version of this devbench, wholly or not at all; make it where nothing is.

    Every host does so when it starts; this is for doing it before. Hosts a version older go on working on it where the
    newer version allows that. Make a backup first: there is no way back.

    Examples:
      devbench db export before.dump.gz && devbench db upgrade
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, _upgrade(options))


async def _upgrade(options: Options) -> None:
    from devbench_cli.show.results import json_line, line
    from devbench_cli.stores import maintained, power_of
    from devbench_core.contracts.store_powers import SupportsUpgrade

    async with maintained(options) as (chosen, maintenance):
        upgrading = power_of(maintenance, SupportsUpgrade, chosen)
        before = (await maintenance.state()).schema
        await upgrading.upgrade()
        after = (await maintenance.state()).schema
    if options.as_json:
        return json_line({"from": before or None, "to": after})
    if before == after:
        return line(f"nothing to do: schema {after}")
    return line(f"schema {before or 'none'} -> {after}")


@click.command()
@click.pass_context
def vacuum(ctx: click.Context) -> None:
    """Give space back that the store no longer needs.

    SQLite writes its file anew, which takes as much free space and keeps writers waiting; PostgreSQL lets hosts go on,
    and uses the space again itself.

    Examples:
      devbench db vacuum
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, _vacuum(options))


async def _vacuum(options: Options) -> None:
    from devbench_cli.show.results import json_line, line, size
    from devbench_cli.stores import maintained, power_of
    from devbench_core.contracts.store_powers import SupportsVacuum

    async with maintained(options) as (chosen, maintenance):
        vacuuming = power_of(maintenance, SupportsVacuum, chosen)
        before = (await maintenance.state()).size_bytes
        await vacuuming.vacuum()
        after = (await maintenance.state()).size_bytes
    if options.as_json:
        return json_line({"size_bytes_before": before, "size_bytes": after})
    return line(f"{size(before)} -> {size(after)}")
