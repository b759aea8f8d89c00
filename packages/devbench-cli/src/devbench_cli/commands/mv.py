"""`devbench mv`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.command()
@click.argument("source", metavar="CONTAINER:PATH", help="File, link or folder; a link itself.")
@click.argument("target", metavar="[CONTAINER:]PATH", help="Its new path in the same container.")
@click.option("--force", "-f", is_flag=True, help="Replace what is there.")
@click.pass_context
def app(ctx: click.Context, *, source: str, target: str, force: bool) -> None:
    """Move or rename within a container, in one atomic step.

    A target that is a folder, or ends with a slash, gets it under its own name. Missing folders are made.

    Examples:
      devbench mv web:draft.md web:docs/guide.md
      devbench mv -f web:config.new config.toml
    """
    run_with_backend(ctx, lambda backend, options: _mv(backend, options, source, target, force=force))


async def _mv(backend: Backend, options: Options, source: str, target: str, *, force: bool) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.places import InContainer, in_container, meant, required
    from devbench_cli.show.results import json_line
    from devbench_cli.transfer import target_path
    from devbench_core.errors import ValidationFailed
    from devbench_core.tools.fs_changes import FsMoveOutput

    start = required(source)
    end = in_container(target)
    if end is not None and end.container != start.container:
        raise ValidationFailed(
            "TARGET", "is in another container", hint="copy it out and in with devbench cp, then devbench rm"
        )
    end = end or InContainer(start.container, meant(target))
    moved = await ask(
        backend,
        FsMoveOutput,
        "fs_move",
        container=start.container,
        path=start.argument,
        to=await target_path(backend, start.path, end),
        overwrite=force,
    )
    if options.as_json:
        json_line(moved.model_dump(mode="json", exclude_none=True))
