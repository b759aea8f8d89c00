"""`devbench cat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CONTAINER:PATH...", help="Files.")
@click.pass_context
def app(ctx: click.Context, *, files: tuple[str, ...]) -> None:
    """Print files of containers, byte for byte.

    With --json each file is one line with its content as base64 and its etag, for a conditional write.

    Examples:
      devbench cat web:src/main.py
      devbench cat web:data.bin | sha256sum
    """
    run_with_backend(ctx, lambda backend, options: _cat(backend, options, files))


async def _cat(backend: Backend, options: Options, files: tuple[str, ...]) -> None:
    from devbench_cli.backends.contents import pages
    from devbench_cli.descriptors import STDOUT, write
    from devbench_cli.places import required

    for place in [required(text) for text in files]:
        if options.as_json:
            await _as_json(backend, str(place))
            continue
        async for _, data in pages(backend, place):
            await write(STDOUT, data)


async def _as_json(backend: Backend, text: str) -> None:
    from base64 import b64encode

    from devbench_cli.backends.contents import pages
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line

    pieces: list[bytes] = []
    file = None
    async for info, data in pages(backend, required(text)):
        file = info.model_dump(mode="json")
        pieces.append(data)
    json_line({"file": file, "base64": b64encode(b"".join(pieces)).decode("ascii")})
