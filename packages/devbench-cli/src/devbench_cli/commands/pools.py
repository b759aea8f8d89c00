"""`devbench pools`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options, options_of
from devbench_cli.running import run

if TYPE_CHECKING:
    from devbench_core.pools import PoolState

HEADINGS = ("POOL", "IMAGE", "FLOOR", "CEILING", "WANTED", "READY", "MAKING", "LEAVING", "HITS", "MISSES")


@click.command()
@click.pass_context
def app(ctx: click.Context) -> None:
    """List the warm pools: how many containers wait, how many are made, who got one, and what failed.

    The numbers are those of all hosts on the configured store; hits and misses count since these hosts started.

    Examples:
      devbench pools
      devbench pools --json | jq '.pools[] | select(.failures > 0) | .failure'
    """
    options = options_of(ctx)
    run(options, _pools(options))


async def _pools(options: Options) -> None:
    from attrs import asdict

    from devbench_cli.backends.local import open_local
    from devbench_cli.backends.opening import overrides_of
    from devbench_cli.show.results import json_line

    async with open_local(options.config, overrides_of(options)) as backend:
        found = await backend.bench.pools.states()
    if options.as_json:
        json_line({"pools": [asdict(pool) for pool in found]})
    else:
        _show(found, options)


def _show(found: tuple[PoolState, ...], options: Options) -> None:
    from devbench_cli.show.results import line, printable, table

    table(HEADINGS, [_row(pool) for pool in found])
    for pool in found:
        if pool.failures:
            line(
                f"{pool.name}: failed {pool.failures} times, last at {pool.failed_at}: {printable(pool.failure)}"
            )
    if not found and not options.quiet:
        line("none is configured: see [pools.warm] in the configuration")


def _row(pool: PoolState) -> tuple[str, ...]:
    counts = (
        pool.floor,
        pool.ceiling,
        pool.wanted,
        pool.ready,
        pool.making,
        pool.leaving,
        pool.hits,
        pool.misses,
    )
    return (pool.name, pool.image or "(default)", *(str(count) for count in counts))
