"""`devbench demo`."""

from __future__ import annotations

import click

from devbench_cli.options import options_of


@click.command()
@click.option(
    "--image", default="", show_default=False, metavar="NAME", help="Image to use; it needs nothing but sh."
)
@click.option("--install-missing", is_flag=True, help="Install what the runtime needs, with apt-get.")
@click.pass_context
def app(ctx: click.Context, *, image: str, install_missing: bool) -> None:
    """Show an agent's whole workflow in a real container, in under a minute.

    It makes a container, writes a small program and its failing test, runs the test with live output, mends
    the program with a conditional write, runs the test again and kills everything. Each step says which tool
    an agent would call, and is checked: the exit code is 0 only when every step did what it says.

    It runs on bubblewrap, which needs no daemon and no image, on a state folder of its own; nothing is left.
    With --runtime docker or podman and no configured image it makes one from this machine's static busybox.

    Examples:
      devbench demo --install-missing
      devbench demo --runtime docker
      devbench demo --url http://127.0.0.1:8765/mcp
    """
    from devbench_cli.demo.playing import play
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, play(options, image=image, install_missing=install_missing))
