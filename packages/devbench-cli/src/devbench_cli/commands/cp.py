"""`devbench cp`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.parameters import LOCAL_NAME
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_cli.places import InContainer


@click.command()
@click.argument("source", type=LOCAL_NAME, metavar="SOURCE", help="PATH, CONTAINER:PATH, or - for stdin.")
@click.argument("target", type=LOCAL_NAME, metavar="TARGET", help="PATH, CONTAINER:PATH, or - for stdout.")
@click.option("--recursive", "-r", is_flag=True, help="Copy a folder.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="PATTERN",
    help="With -r: leave this out, as in a .gitignore; may be repeated.",
)
@click.option(
    "--ignore-file", type=click.Path(path_type=Path), metavar="FILE", help="With -r: a file of such patterns."
)
@click.pass_context
def app(
    ctx: click.Context,
    *,
    source: str,
    target: str,
    recursive: bool,
    ignore: tuple[str, ...],
    ignore_file: Path | None,
) -> None:
    """Copy a file, or with -r a folder, into or out of a container.

    One side is CONTAINER:PATH, with a path relative to the workspace or absolute beneath it. A target that is
    a folder gets the file or folder under its own name. What is copied appears complete or not at all; a folder
    that is copied into the container joins one that is there, and replaces files of the same names.

    Examples:
      devbench cp main.py web:src/main.py
      devbench cp web:build/report.html .
      tar c src | devbench cp - web:src.tar
      devbench cp web:result.json - | jq .
      devbench cp -r --ignore-file .gitignore . web:src
      devbench cp -r web:build ./build
    """
    if recursive:
        run_with_backend(
            ctx,
            lambda backend, options: _folder(backend, options, source, target, ignore_file, ignore),
        )
    else:
        run_with_backend(ctx, lambda backend, options: _cp(backend, options, source, target))


async def _folder(
    backend: Backend,
    options: Options,
    source: str,
    target: str,
    ignore_file: Path | None,
    ignore: tuple[str, ...],
) -> None:
    from devbench_cli.folders import copy_in, copy_out
    from devbench_cli.packing import patterns_of
    from devbench_cli.places import STANDARD
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line
    from devbench_core.errors import ValidationFailed

    from_container, to_container = _sides(source, target)
    if STANDARD in {source, target}:
        raise ValidationFailed("-r", "needs a folder on either side", hint="see devbench import and export")
    patterns = patterns_of(ignore_file, ignore)
    with bar(Path(source).name, options) as progress:
        if to_container is not None:
            report = await copy_in(backend, Path(source), to_container, patterns, progress)
            entries, size = report.entries, report.size_bytes
        elif from_container is not None:
            done = await copy_out(backend, from_container, Path(target), patterns, progress)
            entries, size = done.entries, done.size
        else:
            return
    if options.as_json:
        json_line({"source": source, "target": target, "entries": entries, "size_bytes": size})
    elif options.verbose:
        sys.stderr.write(f"{entries} entries, {size} bytes copied\n")


def _sides(source: str, target: str) -> tuple[InContainer | None, InContainer | None]:
    from devbench_cli.places import in_container
    from devbench_core.errors import ValidationFailed

    from_container, to_container = in_container(source), in_container(target)
    if (from_container is None) == (to_container is None):
        raise ValidationFailed(
            "SOURCE and TARGET",
            "exactly one of them must be CONTAINER:PATH",
            hint="for example devbench cp main.py web:main.py",
        )
    return from_container, to_container


async def _cp(backend: Backend, options: Options, source: str, target: str) -> None:
    from pathlib import PurePath

    from devbench_cli.places import STANDARD
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import json_line
    from devbench_cli.transfer import download, upload

    from_container, to_container = _sides(source, target)
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
