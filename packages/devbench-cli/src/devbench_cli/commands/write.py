"""`devbench write`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def write(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="CONTAINER:PATH", help="File; missing folders are made.")],
    *,
    append: Annotated[bool, typer.Option("--append", "-a", help="Put it behind what is there.")] = False,
    create: Annotated[bool, typer.Option("--create", help="Refuse when something is there already.")] = False,
    if_match: Annotated[
        str | None, typer.Option("--if-match", metavar="ETAG", help="Only if the file still has this etag.")
    ] = None,
    durable: Annotated[bool, typer.Option("--durable", help="Return only when it is on disk.")] = False,
    mode: Annotated[
        str | None, typer.Option("--mode", metavar="MODE", help="Permission bits in octal, for example 755.")
    ] = None,
) -> None:
    """Write stdin to a file of a container: readers see the old content or the new, never a part.

    Examples:
      date | devbench write --append web:log
      devbench write --create web:config.toml < config.toml
    """
    wanted: dict[str, object] = {
        "append": append,
        "create_only": create,
        "durable": durable,
        **({} if if_match is None else {"if_match": if_match}),
        **({} if mode is None else {"mode": mode}),
    }
    run_with_backend(ctx, lambda backend, options: _write(backend, options, target, wanted))


async def _write(backend: Backend, options: Options, target: str, wanted: dict[str, object]) -> None:
    from base64 import b64encode

    from devbench_cli.descriptors import all_input
    from devbench_cli.places import required
    from devbench_cli.show.results import json_line
    from devbench_core.tools.files import FsWriteOutput

    place = required(target)
    data = await all_input(backend.upload_max_bytes)
    content = b64encode(data).decode("ascii")
    given = {"container": place.container, "path": place.path, "base64": content, **wanted}
    written = FsWriteOutput.model_validate(await backend.call("fs_write", given))
    if options.as_json:
        json_line(written.model_dump(mode="json", exclude_none=True))
