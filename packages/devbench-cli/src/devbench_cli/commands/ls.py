"""`devbench ls`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_cli.places import InContainer
    from devbench_core.tools.file_views import FileView
    from devbench_core.tools.files import FsListOutput

PAGE = 500
ENTRIES_MAX = 100_000
Wanted = dict[str, Any]
LETTERS = {"directory": "d", "file": "-", "symlink": "l"}


@click.command()
@click.argument("place", metavar="CONTAINER[:PATH]", help="Folder or file; the workspace by default.")
@click.option(
    "--recursive", "-R", is_flag=True, help="Also what is in the folders beneath; links are not followed."
)
@click.option("--depth", type=click.IntRange(1, 64), metavar="N", help="How many levels; makes it recursive.")
@click.option("--gitignore", is_flag=True, help="Leave out what .gitignore files say, and .git itself.")
@click.pass_context
def app(ctx: click.Context, *, place: str, recursive: bool, depth: int | None, gitignore: bool) -> None:
    """List a folder of a container.

    A name that is not UTF-8 is shown as a whole file:///… path, which every command takes; characters that would
    move the cursor, hide text or turn it around are shown as escapes (--json has them as they are).

    Examples:
      devbench ls web
      devbench ls web:src --json | jq -r '.entries[].path'
      devbench ls -R web:src --gitignore
    """
    wanted: Wanted = {"recursive": recursive or depth is not None, "depth": depth, "gitignore": gitignore}
    run_with_backend(ctx, lambda backend, options: _ls(backend, options, place, wanted))


async def _ls(backend: Backend, options: Options, text: str, wanted: Wanted) -> None:
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line, table

    place = required(text, path=".")
    entries = await _entries(backend, place, wanted)
    if options.as_json:
        return json_line({"entries": [entry.model_dump(mode="json") for entry in entries]})
    return table(("MODE", "SIZE", "MODIFIED", "NAME"), [_row(entry, wanted) for entry in entries])


async def _entries(backend: Backend, place: InContainer, wanted: Wanted) -> list[FileView]:
    from devbench_cli.backends.protocol import ask
    from devbench_core.errors import DevbenchError
    from devbench_core.tools.files import FsStatOutput

    try:
        return await _listing(backend, place, wanted)
    except DevbenchError as error:
        if error.details.get("reason") != "not_directory":
            raise
    found = await ask(backend, FsStatOutput, "fs_stat", container=place.container, path=place.argument)
    return [found.file]


async def _listing(backend: Backend, place: InContainer, wanted: Wanted) -> list[FileView]:
    entries: list[FileView] = []
    page = await _page(backend, place, "", wanted)
    entries.extend(page.entries)
    while page.cursor and len(entries) < ENTRIES_MAX:
        page = await _page(backend, place, page.cursor, wanted)
        entries.extend(page.entries)
    for note in page.notes:
        sys.stderr.write(f"{note}\n")
    if page.cursor:
        sys.stderr.write(f"only the first {len(entries)} entries are listed\n")
    return entries


async def _page(backend: Backend, place: InContainer, after: str, wanted: Wanted) -> FsListOutput:
    from devbench_cli.backends.protocol import ask
    from devbench_core.tools.files import FsListOutput

    given = {name: value for name, value in wanted.items() if value}  # a plain listing asks as it always did
    return await ask(
        backend,
        FsListOutput,
        "fs_list",
        container=place.container,
        path=place.argument,
        after=after,
        limit=PAGE,
        **given,
    )


def _row(entry: FileView, wanted: Wanted) -> tuple[str, ...]:
    from pathlib import PurePosixPath

    from devbench_cli.show.results import printable
    from devbench_core.model.container import WORKSPACE

    # One that is not UTF-8 is shown whole, as it can be given back.
    escaped = not entry.path.startswith("/")
    path = PurePosixPath(entry.path)
    inner = entry.path.removeprefix(f"{WORKSPACE}/") if wanted["recursive"] and not escaped else path.name
    name = entry.path if escaped else inner or entry.path
    shown = f"{name} -> {entry.target}" if entry.target else name + ("/" if entry.type == "directory" else "")
    modified = entry.modified_at.strftime("%Y-%m-%d %H:%M:%SZ")
    return (f"{LETTERS.get(entry.type, '?')}{entry.mode}", str(entry.size_bytes), modified, printable(shown))
