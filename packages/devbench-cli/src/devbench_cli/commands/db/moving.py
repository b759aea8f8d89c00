"""`devbench db export` and `import`."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options, options_of
from devbench_cli.parameters import LOCAL_NAME

if TYPE_CHECKING:
    from devbench_core.dumps import Counts
    from devbench_core.tool import ProgressSink

PACKED = ".gz"


@click.command()
@click.argument(
    "target", type=LOCAL_NAME, metavar="FILE", help="Where to; compressed where it ends in .gz; - for stdout."
)
@click.pass_context
def export(ctx: click.Context, *, target: str) -> None:
    """Write everything that the store holds into a file: a backup, or what another store takes in.

    All records with revisions and terms, all logs, and with them the identity of the installation, as they are at one
    moment; hosts may go on, and what they write afterwards is not in it. The store is not changed, an older version
    neither. The file is JSON lines with a digest at its end, readable to its owner only (it has the output of
    commands), and appears under its name only when it is complete.

    Examples:
      devbench db export backup.dump.gz
      devbench db export - | ssh backup 'cat > devbench.dump'
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, _export(options, target))


async def _export(options: Options, target: str) -> None:
    from devbench_cli.folders import write_pieces
    from devbench_cli.places import STANDARD
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line
    from devbench_cli.stores import dumped
    from devbench_core.clock import SystemClock
    from devbench_core.dumps import Counts, compressed, write_dump

    counts = Counts()
    with bar("export", options) as progress:
        async with dumped(options) as items:
            pieces = write_dump(items, made_at=SystemClock().now(), counts=counts)
            async with aclosing(compressed(pieces) if target.endswith(PACKED) else pieces) as stream:
                size = await write_pieces(stream, target, _counting(progress, counts), private=True)
    if target == STANDARD:
        if options.verbose:
            sys.stderr.write(f"{_told(counts)} written\n")
    elif options.as_json:
        json_line({"target": target, "size_bytes": size, **counts.values()})
    elif not options.quiet:
        sys.stdout.write(f"{_told(counts)} written to {target}\n")


@click.command("import")
@click.argument("source", type=LOCAL_NAME, metavar="FILE", help="What was exported; - for stdin.")
@click.option("--replace", is_flag=True, help="Delete everything that the store holds, and take the file's.")
@click.pass_context
def import_(ctx: click.Context, *, source: str, replace: bool) -> None:
    """Take everything of an exported file into the store, or nothing.

    It is one transaction: a file that is cut or damaged, a full disk or a kill in the middle leave the store as it was,
    and the import begins anew; it does not resume. The store must be empty, unless --replace is given; then no host
    may live on it. Stop the hosts of the exported store before you export, or what they write later is lost.

    Examples:
      devbench db import --config postgresql.toml backup.dump.gz
      gunzip < backup.dump.gz | devbench db import --replace -
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, _import(options, source, replace=replace))


async def _import(options: Options, source: str, *, replace: bool) -> None:
    from devbench_cli.folders import read_pieces
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line
    from devbench_cli.stores import configured, loading, only_of, power_of
    from devbench_core.contracts.store_powers import SupportsLoad
    from devbench_core.dumps import Counts, read_dump

    counts = Counts()
    settings = configured(options)
    with bar("import", options) as progress:
        async with (
            loading(settings, replace=replace) as (chosen, store),
            aclosing(read_pieces(source, _counting(progress, counts))) as pieces,
            aclosing(read_dump(pieces, counts=counts)) as items,
        ):
            target = power_of(store, SupportsLoad, chosen)
            await target.load(only_of(items, settings.installation), replace=replace)
    if options.as_json:
        json_line({"source": source, "store": chosen.provider.name, **counts.values()})
    elif not options.quiet:
        sys.stdout.write(f"{_told(counts)} taken into store {chosen.provider.name}\n")


def _counting(progress: ProgressSink, counts: Counts) -> ProgressSink:
    async def told(done: float, total: float | None, _message: str) -> None:
        await progress(done, total, f"{counts.records} records")

    return told


def _told(counts: Counts) -> str:
    return "{records} records and {logs} logs with {entries} entries".format_map(counts.values())
