"""`devbench cp`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def cp(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="PATH, CONTAINER:PATH, or - for stdin.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="PATH, CONTAINER:PATH, or - for stdout.")],
) -> None:
    """Copy one file into or out of a container.

    One side is CONTAINER:PATH, with a path relative to the workspace or absolute beneath it. A target that is
    a folder gets the file under its own name. The file appears complete or not at all.

    Examples:
      devbench cp main.py web:src/main.py
      devbench cp web:build/report.html .
      tar c src | devbench cp - web:src.tar
      devbench cp web:result.json - | jq .
    """
    run_with_backend(ctx, lambda backend, options: _cp(backend, options, source, target))


async def _cp(backend: Backend, options: Options, source: str, target: str) -> None:
    from pathlib import PurePath

    from devbench_cli.places import STANDARD, in_container
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line
    from devbench_cli.transfer import download, upload
    from devbench_core.errors import ValidationFailed

    from_container, to_container = in_container(source), in_container(target)
    if (from_container is None) == (to_container is None):
        raise ValidationFailed(
            "SOURCE and TARGET",
            "exactly one of them must be CONTAINER:PATH",
            hint="for example devbench cp main.py web:main.py",
        )
    with bar(PurePath(source).name, options) as progress:
        if to_container is not None:
            copied = (await upload(backend, source, to_container, progress)).size_bytes
        elif from_container is not None:
            copied = await download(backend, from_container, target, progress)
        else:
            return
    if options.as_json and target != STANDARD:
        json_line(
            {
                "source": str(from_container or source),
                "target": str(to_container or target),
                "size_bytes": copied,
            }
        )
    elif options.verbose:
        sys.stderr.write(f"{copied} bytes copied\n")
