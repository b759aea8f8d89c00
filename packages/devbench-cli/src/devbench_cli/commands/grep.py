"""`devbench grep`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devbench_cli.failures import print_error
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend
from devbench_core.errors import DevbenchError

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None)
PAGE = 500
LINE_BYTES = 1000
FOUND, NOT_FOUND, TROUBLE = 0, 1, 2
"""Exit codes, as grep has them."""


@app.command()
def grep(
    ctx: typer.Context,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Regular expression.")],
    place: Annotated[
        str, typer.Argument(metavar="CONTAINER[:PATH]", help="Folder or file; the workspace by default.")
    ],
    *,
    fixed: Annotated[
        bool, typer.Option("--fixed-strings", "-F", help="The pattern is text, no expression.")
    ] = False,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Of ASCII letters.")] = False,
    word: Annotated[bool, typer.Option("--word-regexp", "-w", help="Only whole words.")] = False,
    names: Annotated[
        bool, typer.Option("--files-with-matches", "-l", help="Only the names of files.")
    ] = False,
    count: Annotated[bool, typer.Option("--count", "-c", help="How many lines match in each file.")] = False,
    after: Annotated[
        int, typer.Option("--after-context", "-A", metavar="N", min=0, max=20, help="Lines after each match.")
    ] = 0,
    before: Annotated[
        int,
        typer.Option("--before-context", "-B", metavar="N", min=0, max=20, help="Lines before each match."),
    ] = 0,
    context: Annotated[
        int, typer.Option("--context", "-C", metavar="N", min=0, max=20, help="Lines before and after.")
    ] = 0,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Only files of these names or relative paths."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="GLOB", help="Not these names or relative paths, nor what is beneath."
        ),
    ] = None,
    gitignore: Annotated[
        bool, typer.Option("--gitignore", help="Leave out what .gitignore files say, and .git itself.")
    ] = False,
    no_hidden: Annotated[
        bool, typer.Option("--no-hidden", help="Leave out names that begin with a dot, and all beneath.")
    ] = False,
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
        "include": include or [],
        "exclude": exclude or [],
        "gitignore": gitignore,
        "hidden": not no_hidden,
    }
    raise typer.Exit(run_with_backend(ctx, lambda backend, options: _grep(backend, options, place, given)))


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
