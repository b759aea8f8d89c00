"""`devbench rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def rm(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="CONTAINER:PATH", help="Files or folders.")],
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also folders with what is in them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="What is not there is fine.")] = False,
) -> None:
    """Delete files or folders of containers; to end a container use `devbench kill`.

    Examples:
      devbench rm web:notes.txt
      devbench rm -r web:build web:dist
    """
    run_with_backend(
        ctx, lambda backend, options: _rm(backend, options, files, recursive=recursive, force=force)
    )


async def _rm(backend: Backend, options: Options, files: list[str], *, recursive: bool, force: bool) -> None:
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
