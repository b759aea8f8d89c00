"""`devbench chmod`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def chmod(
    ctx: typer.Context,
    mode: Annotated[str, typer.Argument(metavar="MODE", help="All permission bits in octal.")],
    files: Annotated[list[str], typer.Argument(metavar="CONTAINER:PATH", help="Files or folders.")],
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also what is in folders; they let in whoever may read.")
    ] = False,
) -> None:
    """Change permission bits of files or folders of containers.

    Examples:
      devbench chmod 755 web:run.sh
      devbench chmod -r 640 web:secrets
    """
    run_with_backend(ctx, lambda backend, options: _chmod(backend, options, mode, files, recursive=recursive))


async def _chmod(backend: Backend, options: Options, mode: str, files: list[str], *, recursive: bool) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line
    from devbench_core.tools.fs_changes import FsChmodOutput

    for place in [required(text) for text in files]:
        done = await ask(
            backend,
            FsChmodOutput,
            "fs_chmod",
            container=place.container,
            path=place.path,
            mode=mode,
            recursive=recursive,
        )
        if options.as_json:
            json_line(done.model_dump(mode="json", exclude_none=True))
