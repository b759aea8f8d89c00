"""`devbench write`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("target", metavar="CONTAINER:PATH", help="File; missing folders are made.")
@click.option("--append", "-a", is_flag=True, help="Put it behind what is there.")
@click.option("--create", is_flag=True, help="Refuse when something is there already.")
@click.option("--if-match", metavar="ETAG", help="Only if the file still has this etag.")
@click.option("--durable", is_flag=True, help="Return only when it is on disk.")
@click.option("--mode", metavar="MODE", help="Permission bits in octal, for example 755.")
@click.pass_context
def app(
    ctx: click.Context,
    *,
    target: str,
    append: bool,
    create: bool,
    if_match: str | None,
    durable: bool,
    mode: str | None,
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
    given = {"container": place.container, "path": place.argument, "base64": content, **wanted}
    written = FsWriteOutput.model_validate(await backend.call("fs_write", given))
    if options.as_json:
        json_line(written.model_dump(mode="json", exclude_none=True))
