"""Options that several commands share."""

from __future__ import annotations

import click

detach_keys_option = click.option(
    "--detach-keys",
    envvar="DEVBENCH_DETACH_KEYS",
    show_envvar=True,
    default="ctrl-p,ctrl-q",
    metavar="KEYS",
    help="Keys that leave it running when typed one after the other; none for none.",
)
