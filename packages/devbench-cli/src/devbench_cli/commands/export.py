"""`devbench export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.parameters import LOCAL_NAME
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("source", metavar="CONTAINER[:PATH]", help="Folder or file to pack.")
@click.argument("target", type=LOCAL_NAME, metavar="ARCHIVE", help="A tar or zip to make, or - for stdout.")
@click.option(
    "--format", "format_", metavar="FORMAT", help="tar, tar.gz, tar.zst or zip; else the name tells."
)
@click.option(
    "--ignore", multiple=True, metavar="PATTERN", help="Leave this out, as in a .gitignore; may be repeated."
)
@click.option(
    "--ignore-file", type=click.Path(path_type=Path), metavar="FILE", help="A file of such patterns."
)
@click.pass_context
def app(
    ctx: click.Context,
    *,
    source: str,
    target: str,
    format_: str | None,
    ignore: tuple[str, ...],
    ignore_file: Path | None,
) -> None:
    """Pack a folder or file of a container as an archive.

    Examples:
      devbench export web:build build.tar.gz
      devbench export --format tar web:src - | tar t
    """
    run_with_backend(
        ctx,
        lambda backend, options: _export(backend, options, source, target, format_, ignore_file, ignore),
    )


async def _export(
    backend: Backend,
    options: Options,
    source: str,
    target: str,
    wanted: str | None,
    ignore_file: Path | None,
    ignore: tuple[str, ...],
) -> None:
    from contextlib import aclosing

    from devbench_cli.backends.archives import export_archive, repeated
    from devbench_cli.folders import format_of, write_pieces
    from devbench_cli.packing import patterns_of
    from devbench_cli.places import STANDARD, required
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line

    place, format_ = required(source, path="."), format_of(target, wanted)
    patterns = patterns_of(ignore_file, ignore)
    with bar(target, options) as progress:

        async def once() -> int:
            async with aclosing(export_archive(backend, place, format_, patterns)) as stream:
                return await write_pieces(stream, target, progress)

        size = await repeated(backend, once, from_start=target != STANDARD)
    if options.as_json and target != STANDARD:
        json_line({"source": source, "target": target, "size_bytes": size})
    elif options.verbose:
        sys.stderr.write(f"{size} bytes packed\n")
