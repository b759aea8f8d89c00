"""`devbench images`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devbench_cli.groups import OrderedGroup
from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend


@click.group(cls=OrderedGroup, invoke_without_command=True)
@click.option(
    "--contains", default="", show_default=False, metavar="TEXT", help="Only names that contain this text."
)
@click.option(
    "--limit", "-n", type=click.IntRange(1, 200), default=100, metavar="N", help="The most images to list."
)
@click.pass_context
def app(ctx: click.Context, *, contains: str, limit: int) -> None:
    """List the images that containers can be made from; pull or import more.

    Examples:
      devbench images
      devbench images pull python:3.12-slim
      devbench --runtime bubblewrap images import alpine ./alpine-minirootfs.tar.gz
    """
    if ctx.invoked_subcommand is None:
        run_with_backend(ctx, lambda backend, options: _list(backend, options, contains, limit))


async def _list(backend: Backend, options: Options, contains: str, limit: int) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import NOTHING, age, as_json, line, size, table
    from devbench_core.tools.host import ImagesOutput

    found = await ask(backend, ImagesOutput, "images", contains=contains, limit=limit)
    if options.as_json:
        return line(as_json(found))
    rows = [
        (image.name, image.id[:19], image.architecture, size(image.size_bytes), age(image.created_at))
        for image in found.images
    ]
    table(("NAME", "ID", "ARCHITECTURE", "SIZE", "AGE"), rows)
    if not options.quiet:
        line()
        line(f"default: {found.default or NOTHING}")
        for alias, name in sorted(found.aliases.items()):
            line(f"alias: {alias} = {name}")
    if found.truncated:
        sys.stderr.write("there are more: narrow --contains or raise --limit\n")
    return None


@app.command("pull")
@click.argument("name", metavar="NAME", help="Image name or alias.")
@click.pass_context
def pull(ctx: click.Context, *, name: str) -> None:
    """Fetch an image, as far as the configuration allows, and print its full name.

    Examples:
      devbench images pull python:3.12-slim
    """
    run_with_backend(ctx, lambda backend, options: _pull(backend, options, name))


async def _pull(backend: Backend, options: Options, name: str) -> None:
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import as_json, line
    from devbench_core.tools.image_views import ImageView

    with bar(f"pull {name}", options) as progress:
        image = await backend.pull(name, progress=progress)
    line(as_json(ImageView.of(image)) if options.as_json else image.name)


@app.command("import")
@click.argument("name", metavar="NAME", help="What to call it.")
@click.argument(
    "source",
    type=click.Path(exists=True, path_type=Path),
    metavar="SOURCE",
    help="A tar (also compressed) or a folder: a root file system.",
)
@click.pass_context
def import_(ctx: click.Context, *, name: str, source: Path) -> None:
    """Make an image of a root file system, on runtimes without images of their own (bubblewrap).

    Examples:
      devbench images import alpine ./alpine-minirootfs.tar.gz
      devbench images import debian /srv/debian-root
    """
    run_with_backend(ctx, lambda backend, options: _import(backend, options, name, source))


async def _import(backend: Backend, options: Options, name: str, source: Path) -> None:
    from devbench_cli.show.results import as_json, line
    from devbench_core.tools.image_views import ImageView

    image = await backend.import_image(name, source)
    line(as_json(ImageView.of(image)) if options.as_json else image.name)
