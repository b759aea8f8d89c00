"""`devbench import`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def import_(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="ARCHIVE", help="A tar or zip, or - for stdin.")],
    target: Annotated[
        str,
        typer.Argument(metavar="CONTAINER[:PATH]", help="Folder to unpack it in; made when it is missing."),
    ],
    *,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="tar, tar.gz, tar.zst or zip; else the name tells."),
    ] = None,
    no_overwrite: Annotated[
        bool, typer.Option("--no-overwrite", help="Refuse when a file of the archive is there already.")
    ] = False,
) -> None:
    """Unpack an archive in a container: all of it or nothing.

    Examples:
      devbench import project.tar.gz web
      git archive HEAD | devbench import --format tar - web:src
    """
    run_with_backend(
        ctx,
        lambda backend, options: _import(
            backend, options, source, target, format_, overwrite=not no_overwrite
        ),
    )


async def _import(
    backend: Backend, options: Options, source: str, target: str, wanted: str | None, *, overwrite: bool
) -> None:
    from pathlib import Path

    from devbench_cli.backends.archives import import_archive
    from devbench_cli.backends.outgoing import Outgoing
    from devbench_cli.folders import format_of, read_pieces
    from devbench_cli.places import STANDARD, required
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line

    place, format_ = required(target, path="."), format_of(source, wanted)
    again = source != STANDARD and await asyncio.to_thread(Path(source).is_file)
    with bar(source, options) as progress:
        content = Outgoing(read=lambda: read_pieces(source, progress), again=again)
        report = await import_archive(backend, place, content, format_, overwrite=overwrite)
    if options.as_json:
        json_line(report.model_dump())
    elif options.verbose:
        sys.stderr.write(f"{report.entries} entries, {report.size_bytes} bytes unpacked\n")
