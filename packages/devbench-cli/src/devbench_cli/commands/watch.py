"""`devbench watch`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from devbench_cli.failures import EXIT_BROKEN_PIPE
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_core.tools.fs_watch import ChangeView, FsWatchOutput

WAIT_S = 20.0
"""How long one call waits; a longer silence is only another call."""


@click.command()
@click.argument("place", metavar="CONTAINER[:PATH]", help="Folder or file; the workspace by default.")
@click.option("--flat", is_flag=True, help="Not what lies in folders beneath; what is directly in it.")
@click.option(
    "--count",
    "-n",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="End after so many changes; 0 goes on until Ctrl-C.",
)
@click.pass_context
def app(ctx: click.Context, *, place: str, flat: bool, count: int) -> None:
    """Print what changes in a container's files, as it happens; with --json one object a line.

    It begins when "watching" appears on stderr. When changes were missed it says "rescan": look at the folder as a
    whole then.

    Examples:
      devbench watch web
      devbench watch web:src --count 1
      devbench --json watch web | jq -r .path
    """
    try:
        run_with_backend(
            ctx, lambda backend, options: _watch(backend, options, place, flat=flat, count=count)
        )
    except BrokenPipeError:
        ctx.exit(EXIT_BROKEN_PIPE)


async def _watch(backend: Backend, options: Options, text: str, *, flat: bool, count: int) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.places import required
    from devbench_core.tools.fs_watch import FsWatchOutput

    place = required(text, path=".")
    cursor, left, begun = "", count, False
    while not count or left > 0:
        page = await ask(
            backend,
            FsWatchOutput,
            "fs_watch",
            container=place.container,
            path=place.argument,
            cursor=cursor,
            wait_s=WAIT_S,
            recursive=not flat,
        )
        cursor = page.cursor
        if not begun:
            begun = True
            sys.stderr.write(f"watching {place}\n")
            sys.stderr.flush()
        left -= _show(page, options, left if count else None)


def _show(page: FsWatchOutput, options: Options, most: int | None) -> int:
    """Print a page, at most so many changes; return how many there were."""
    if page.rescan:
        _line({"kind": "rescan"} if options.as_json else None, "rescan")
    if page.partial:
        sys.stderr.write("not all folders are watched: there are too many\n")
    shown = page.changes if most is None else page.changes[:most]
    for change in shown:
        _line(change.model_dump(mode="json") if options.as_json else None, _text(change))
    return len(shown)


def _text(change: ChangeView) -> str:
    path = change.path + ("/" if change.type == "directory" else "")
    return f"{change.kind}  {path}" + (f"  (was {change.moved_from})" if change.moved_from else "")


def _line(value: dict[str, object] | None, text: str) -> None:
    from devbench_cli.show.results import json_line, printable

    if value is not None:
        json_line(value)
    else:
        sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()
