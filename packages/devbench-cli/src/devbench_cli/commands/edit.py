"""`devbench edit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("file", metavar="CONTAINER:PATH", help="File; a new one is made.")
@click.pass_context
def app(ctx: click.Context, *, file: str) -> None:
    """Edit a file of a container with your editor, $VISUAL or $EDITOR.

    What you saved is written back in one step, and only if nobody changed the file since it was opened. Otherwise, and
    whenever it cannot be written, your edit is kept in a file of this machine, and the error names it.

    Examples:
      devbench edit web:src/main.py
      EDITOR="code --wait" devbench edit web:notes.md
    """
    run_with_backend(ctx, lambda backend, options: _edit(backend, options, file))


async def _edit(backend: Backend, options: Options, text: str) -> None:
    from devbench_cli.editing import edited
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line

    place = required(text)
    written = await edited(backend, place)
    if options.as_json:
        file = None if written is None else written.model_dump(mode="json", exclude_none=True)
        json_line({"path": str(place), "changed": written is not None, "file": file})
    elif written is None and not options.quiet:
        click.echo(f"{place} is as it was", err=True)
