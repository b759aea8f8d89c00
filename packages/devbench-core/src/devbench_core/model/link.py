"""Links: addresses under which a client without a token moves one large thing, for a short time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import attrs

from devbench_core.model.caller import Caller
from devbench_core.values import frozen

__all__ = ["LINK_HEADER", "Link", "LinkAction", "LinkMaker", "LinkRequest"]

LINK_HEADER = "X-Devbench-Link"
"""A header of every answer to a link: who gets it has reached a host, and not something on the way."""


class LinkAction(StrEnum):
    """What a link does."""

    DOWNLOAD = "download"
    UPLOAD = "upload"
    EXPORT = "export"
    IMPORT = "import"

    @property
    def changes(self) -> bool:
        """Whether it changes the workspace."""
        return self in {LinkAction.UPLOAD, LinkAction.IMPORT}


@frozen
class LinkRequest:
    """What a link shall do.

    Attributes:
        action: Read or write a file, or get or unpack an archive of a folder.
        container_id: Where.
        path: Which file or folder, relative to the workspace.
        format: Of an archive, "" otherwise.
        if_match: Of an upload: only if the file has this etag.
        create_only: Of an upload: only if nothing is there.
        mode: Of an upload: permission bits; None keeps them.
        ignore: Of an export: patterns of what is left out.
        overwrite: Of an import: whether files of the same names are replaced.
    """

    action: LinkAction
    container_id: str
    path: str
    format: str = ""
    if_match: str | None = None
    create_only: bool = False
    mode: int | None = None
    ignore: tuple[str, ...] = ()
    overwrite: bool = True


@frozen
class Link:
    """An address that does what was asked for, for whoever has it.

    Attributes:
        url: The address; a secret while it is valid.
        method: The HTTP method.
        expires_at: UTC.
    """

    url: str = attrs.field(repr=False)
    method: str
    expires_at: datetime


class LinkMaker(Protocol):
    """Makes links; a front end that can serve them gives one to the tools."""

    def make(self, request: LinkRequest, caller: Caller) -> Link:
        """Return a link that acts as this caller."""
        ...
