"""`devbench ps`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_core.tools.container_lists import ListContainersOutput

HEADINGS = ("ID", "ALIAS", "STATUS", "IMAGE", "RUNTIME", "AGE", "ENDED", "LABELS")


@click.command()
@click.option(
    "--label",
    "-l",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only containers with this label; all must hold.",
)
@click.option("--all", "-a", "include_ended", is_flag=True, help="Also ended ones, with why.")
@click.option(
    "--limit", "-n", type=click.IntRange(1, 200), default=50, metavar="N", help="The most containers to list."
)
@click.option(
    "--after", default="", show_default=False, metavar="CURSOR", help="Go on after an earlier page."
)
@click.pass_context
def app(ctx: click.Context, *, label: tuple[str, ...], include_ended: bool, limit: int, after: str) -> None:
    """List containers.

    Examples:
      devbench ps
      devbench ps --all --label team=blue
      devbench ps --json | jq -r '.containers[].id'
    """
    given: dict[str, Any] = {"include_ended": include_ended, "limit": limit, "after": after}
    run_with_backend(ctx, lambda backend, options: _ps(backend, options, label, given))


async def _ps(backend: Backend, options: Options, labels: tuple[str, ...], given: dict[str, Any]) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import as_json, line
    from devbench_cli.units import pairs
    from devbench_core.tools.container_lists import ListContainersOutput

    page = await ask(
        backend,
        ListContainersOutput,
        "list_containers",
        labels=pairs("--label", labels),
        **given,
    )
    if options.as_json:
        return line(as_json(page))
    return _show(page, options)


def _show(page: ListContainersOutput, options: Options) -> None:
    from devbench_cli.show.results import NOTHING, age, table

    rows = [
        (
            found.id,
            found.alias or NOTHING,
            found.status,
            found.image or "(default)",
            found.runtime,
            age(found.created_at),
            found.ending.reason if found.ending else NOTHING,
            ",".join(f"{key}={value}" for key, value in sorted(found.labels.items())) or NOTHING,
        )
        for found in page.containers
    ]
    table(HEADINGS, rows)
    if page.cursor and not options.quiet:
        sys.stderr.write(f"there are more: devbench ps --after {page.cursor}\n")
