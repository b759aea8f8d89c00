"""`devbench rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CONTAINER:PATH...", help="Files or folders.")
@click.option("--recursive", "-r", is_flag=True, help="Also folders with what is in them.")
@click.option("--force", "-f", is_flag=True, help="What is not there is fine.")
@click.pass_context
def app(ctx: click.Context, *, files: tuple[str, ...], recursive: bool, force: bool) -> None:
    """Delete files or folders of containers; to end a container use `devbench kill`.

    Examples:
      devbench rm web:notes.txt
      devbench rm -r web:build web:dist
    """
    run_with_backend(
        ctx, lambda backend, options: _rm(backend, options, files, recursive=recursive, force=force)
    )


async def _rm(
    backend: Backend, options: Options, files: tuple[str, ...], *, recursive: bool, force: bool
) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line
    from devbench_core.errors import DevbenchError, FileMissing
    from devbench_core.tools.files import FsDeleteOutput

    for place in [required(text) for text in files]:
        try:
            await ask(
                backend,
                FsDeleteOutput,
                "fs_delete",
                container=place.container,
                path=place.argument,
                recursive=recursive,
            )
        except DevbenchError as error:
            if not force or FileMissing.code not in {error.code, error.details.get("last")}:
                raise
            continue
        if options.as_json:
            json_line({"container": place.container, "path": place.argument, "deleted": True})
