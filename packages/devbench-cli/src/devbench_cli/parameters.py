"""Options that several commands share."""

from __future__ import annotations

import click

LOCAL_NAME = click.Path(readable=False)
"""A name that may be a file's on this machine: it is looked at by who opens it, and completed by shells."""

cwd_option = click.option("--cwd", "-w", metavar="PATH", help="Directory, relative to the workspace.")
env_option = click.option(
    "--env", "-e", multiple=True, metavar="KEY[=VALUE]", help="Variable for it; KEY alone copies ours."
)
detach_keys_option = click.option(
    "--detach-keys",
    envvar="DEVBENCH_DETACH_KEYS",
    show_envvar=True,
    default="ctrl-p,ctrl-q",
    metavar="KEYS",
    help="Keys that leave it running when typed one after the other; none for none.",
)
