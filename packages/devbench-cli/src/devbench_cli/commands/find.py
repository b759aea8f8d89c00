"""`devbench find`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

PAGE = 500


@click.command()
@click.argument("place", metavar="CONTAINER[:PATH]", help="Folder; the workspace by default.")
@click.argument(
    "pattern",
    default="**",
    metavar="[PATTERN]",
    help="As *.py (directly in the folder) or **/*.{js,ts} (beneath); all there is by default.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Names or relative paths to leave out, with all beneath.",
)
@click.option("--gitignore", is_flag=True, help="Leave out what .gitignore files say, and .git itself.")
@click.option("--no-hidden", is_flag=True, help="Leave out names that begin with a dot, and all beneath.")
@click.pass_context
def app(
    ctx: click.Context,
    *,
    place: str,
    pattern: str,
    exclude: tuple[str, ...],
    gitignore: bool,
    no_hidden: bool,
) -> None:
    """Find files of a container by a pattern: one path in a line, relative to the workspace.

    Quote the pattern, so that your shell leaves it alone. In it * and ? stay within a name, ** is any number of
    folders, [a-z] one of these characters and {a,b} one of these words. Links are shown and not followed.

    Examples:
      devbench find web '**/*.py'
      devbench find web:src '**/*.{ts,tsx}' --exclude node_modules
    """
    given: dict[str, Any] = {
        "pattern": pattern,
        "exclude": list(exclude),
        "gitignore": gitignore,
        "hidden": not no_hidden,
    }
    run_with_backend(ctx, lambda backend, options: _find(backend, options, place, given))


async def _find(backend: Backend, options: Options, text: str, given: dict[str, Any]) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line, line
    from devbench_core.model.container import WORKSPACE
    from devbench_core.tools.fs_search import FsGlobOutput

    place = required(text, path=".")
    after, first, notes = "", True, [""]
    while first or after:
        page = await ask(
            backend,
            FsGlobOutput,
            "fs_glob",
            container=place.container,
            path=place.argument,
            after=after,
            limit=PAGE,
            **given,
        )
        for entry in page.entries:
            if options.as_json:
                json_line(entry.model_dump(mode="json"))
            else:
                line(entry.path.removeprefix(f"{WORKSPACE}/"))  # elsewhere the whole path
        after, first, notes = page.cursor, False, page.notes
    for note in notes:
        sys.stderr.write(f"{note}\n")
