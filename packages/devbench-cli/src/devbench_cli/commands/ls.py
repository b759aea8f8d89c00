"""`devbench ls`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_cli.places import InContainer
    from devbench_core.tools.files import FsListOutput
    from devbench_core.tools.views import FileView

app = typer.Typer(add_completion=False, rich_markup_mode=None)
PAGE = 500
ENTRIES_MAX = 100_000
LETTERS = {"directory": "d", "file": "-", "symlink": "l"}


@app.command()
def ls(
    ctx: typer.Context,
    place: Annotated[
        str, typer.Argument(metavar="CONTAINER[:PATH]", help="Folder or file; the workspace by default.")
    ],
) -> None:
    """List a folder of a container.

    A name that is not UTF-8 is shown as a whole file:///… path, which every command takes; characters that would
    move the cursor, hide text or turn it around are shown as escapes (--json has them as they are).

    Examples:
      devbench ls web
      devbench ls web:src --json | jq -r '.entries[].path'
    """
    run_with_backend(ctx, lambda backend, options: _ls(backend, options, place))


async def _ls(backend: Backend, options: Options, text: str) -> None:
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line, table

    entries = await _entries(backend, required(text, path="."))
    if options.as_json:
        return json_line({"entries": [entry.model_dump(mode="json") for entry in entries]})
    return table(("MODE", "SIZE", "MODIFIED", "NAME"), [_row(entry) for entry in entries])


async def _entries(backend: Backend, place: InContainer) -> list[FileView]:
    from devbench_cli.backends.protocol import ask
    from devbench_core.errors import DevbenchError
    from devbench_core.tools.files import FsStatOutput

    try:
        return await _listing(backend, place)
    except DevbenchError as error:
        if error.details.get("reason") != "not_directory":
            raise
    found = await ask(backend, FsStatOutput, "fs_stat", container=place.container, path=place.argument)
    return [found.file]


async def _listing(backend: Backend, place: InContainer) -> list[FileView]:
    entries: list[FileView] = []
    page = await _page(backend, place, "")
    entries.extend(page.entries)
    while page.cursor and len(entries) < ENTRIES_MAX:
        page = await _page(backend, place, page.cursor)
        entries.extend(page.entries)
    if page.cursor:
        sys.stderr.write(f"only the first {len(entries)} entries are listed\n")
    return entries


async def _page(backend: Backend, place: InContainer, after: str) -> FsListOutput:
    from devbench_cli.backends.protocol import ask
    from devbench_core.tools.files import FsListOutput

    return await ask(
        backend,
        FsListOutput,
        "fs_list",
        container=place.container,
        path=place.argument,
        after=after,
        limit=PAGE,
    )


def _row(entry: FileView) -> tuple[str, ...]:
    from pathlib import PurePosixPath

    from devbench_cli.show.results import printable

    # One that is not UTF-8 is shown whole, as it can be given back.
    escaped = not entry.path.startswith("/")
    name = entry.path if escaped else PurePosixPath(entry.path).name or entry.path
    shown = f"{name} -> {entry.target}" if entry.target else name + ("/" if entry.type == "directory" else "")
    modified = entry.modified_at.strftime("%Y-%m-%d %H:%M:%SZ")
    return (f"{LETTERS.get(entry.type, '?')}{entry.mode}", str(entry.size_bytes), modified, printable(shown))
