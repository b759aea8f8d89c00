"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_KEYS = "ctrl-p,ctrl-q"

DetachKeysOption = Annotated[
    str,
    typer.Option(
        "--detach-keys",
        envvar="DEVBENCH_DETACH_KEYS",
        metavar="KEYS",
        help="Keys that leave it running when typed one after the other; none for none.",
    ),
]
