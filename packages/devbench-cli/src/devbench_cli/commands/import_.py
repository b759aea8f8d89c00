"""`devbench import`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.parameters import LOCAL_NAME
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("source", type=LOCAL_NAME, metavar="ARCHIVE", help="A tar or zip, or - for stdin.")
@click.argument("target", metavar="CONTAINER[:PATH]", help="Folder to unpack it in; made when it is missing.")
@click.option(
    "--format", "format_", metavar="FORMAT", help="tar, tar.gz, tar.zst or zip; else the name tells."
)
@click.option("--no-overwrite", is_flag=True, help="Refuse when a file of the archive is there already.")
@click.pass_context
def app(ctx: click.Context, *, source: str, target: str, format_: str | None, no_overwrite: bool) -> None:
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
