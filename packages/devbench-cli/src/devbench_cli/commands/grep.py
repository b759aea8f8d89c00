"""`devbench grep`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from devbench_cli.failures import print_error
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend
from devbench_core.errors import DevbenchError

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

PAGE = 500
LINE_BYTES = 1000
FOUND, NOT_FOUND, TROUBLE = 0, 1, 2
"""Exit codes, as grep has them."""


@click.command()
@click.argument("pattern", metavar="PATTERN", help="Regular expression.")
@click.argument("place", metavar="CONTAINER[:PATH]", help="Folder or file; the workspace by default.")
@click.option("--fixed-strings", "-F", "fixed", is_flag=True, help="The pattern is text, no expression.")
@click.option("--ignore-case", "-i", is_flag=True, help="Of ASCII letters.")
@click.option("--word-regexp", "-w", "word", is_flag=True, help="Only whole words.")
@click.option("--files-with-matches", "-l", "names", is_flag=True, help="Only the names of files.")
@click.option("--count", "-c", is_flag=True, help="How many lines match in each file.")
@click.option(
    "--after-context",
    "-A",
    "after",
    type=click.IntRange(0, 20),
    default=0,
    metavar="N",
    help="Lines after each match.",
)
@click.option(
    "--before-context",
    "-B",
    "before",
    type=click.IntRange(0, 20),
    default=0,
    metavar="N",
    help="Lines before each match.",
)
@click.option(
    "--context", "-C", type=click.IntRange(0, 20), default=0, metavar="N", help="Lines before and after."
)
@click.option("--include", multiple=True, metavar="GLOB", help="Only files of these names or relative paths.")
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Not these names or relative paths, nor what is beneath."
)
@click.option("--gitignore", is_flag=True, help="Leave out what .gitignore files say, and .git itself.")
@click.option("--no-hidden", is_flag=True, help="Leave out names that begin with a dot, and all beneath.")
@click.pass_context
def app(
    ctx: click.Context,
    *,
    pattern: str,
    place: str,
    fixed: bool,
    ignore_case: bool,
    word: bool,
    names: bool,
    count: bool,
    after: int,
    before: int,
    context: int,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    gitignore: bool,
    no_hidden: bool,
) -> None:
    """Search for a pattern in files of a container.

    Prints path:line:text, paths relative to the workspace; it goes down into folders by itself. The expressions are
    Python's, without look-around and back-references. Exits with 0 when something was found, 1 when nothing was, 2
    when there was an error.

    Examples:
      devbench grep '^def main' web:src --include '*.py'
      devbench grep -F -l 'TODO(' web --exclude node_modules
    """
    given: dict[str, Any] = {
        "pattern": pattern,
        "literal": fixed,
        "ignore_case": ignore_case,
        "word": word,
        "mode": "names" if names else "counts" if count else "lines",
        "context_before": max(before, context),
        "context_after": max(after, context),
        "include": list(include),
        "exclude": list(exclude),
        "gitignore": gitignore,
        "hidden": not no_hidden,
    }
    ctx.exit(run_with_backend(ctx, lambda backend, options: _grep(backend, options, place, given)))


async def _grep(backend: Backend, options: Options, text: str, given: dict[str, Any]) -> int:
    try:
        return await _pages(backend, options, text, given)
    except DevbenchError as error:
        print_error(error, as_json=options.as_json)
        return TROUBLE


async def _pages(backend: Backend, options: Options, text: str, given: dict[str, Any]) -> int:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line
    from devbench_core.tools.fs_search import FsGrepOutput

    place = required(text, path=".")
    after, first, found, notes = "", True, 0, set[str]()
    while first or after:
        page = await ask(
            backend,
            FsGrepOutput,
            "fs_grep",
            container=place.container,
            path=place.argument,
            after=after,
            limit=PAGE,
            line_bytes=LINE_BYTES,
            **given,
        )
        if options.as_json:
            json_line(page.model_dump(mode="json"))
        else:
            sys.stdout.write(page.text)
        found += page.matches
        after, first = page.cursor, False
        notes.update(note for note in page.notes if not page.cursor)
    for note in sorted(notes):
        if not options.quiet:
            sys.stderr.write(f"{note}\n")
    return FOUND if found else NOT_FOUND
