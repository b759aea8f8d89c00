"""`devbench chmod`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("mode", metavar="MODE", help="All permission bits in octal.")
@click.argument("files", nargs=-1, required=True, metavar="CONTAINER:PATH...", help="Files or folders.")
@click.option(
    "--recursive", "-r", is_flag=True, help="Also what is in folders; they let in whoever may read."
)
@click.pass_context
def app(ctx: click.Context, *, mode: str, files: tuple[str, ...], recursive: bool) -> None:
    """Change permission bits of files or folders of containers.

    Examples:
      devbench chmod 755 web:run.sh
      devbench chmod -r 640 web:secrets
    """
    run_with_backend(ctx, lambda backend, options: _chmod(backend, options, mode, files, recursive=recursive))


async def _chmod(
    backend: Backend, options: Options, mode: str, files: tuple[str, ...], *, recursive: bool
) -> None:
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
            path=place.argument,
            mode=mode,
            recursive=recursive,
        )
        if options.as_json:
            json_line(done.model_dump(mode="json", exclude_none=True))
