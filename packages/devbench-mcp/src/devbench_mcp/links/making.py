"""Makes links for the tools of one call."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from urllib.parse import quote

import attrs

from devbench_core.clock import Clock
from devbench_core.model.caller import Caller
from devbench_core.model.link import Link, LinkRequest
from devbench_mcp.links.grants import Grant, Signer

PREFIX = "/files/"


@attrs.frozen(kw_only=True, eq=False)
class Links:
    """A `LinkMaker`.

    Attributes:
        signer: Signs them.
        clock: Says when they end.
        base: Scheme, name and port under which clients reach this host.
        ttl_s: How long a link is valid.
    """

    signer: Signer
    clock: Clock
    base: str
    ttl_s: float

    def make(self, request: LinkRequest, caller: Caller) -> Link:
        """Return a link that acts as this caller."""
        expires_s = int(self.clock.now().timestamp() + self.ttl_s)
        word = self.signer.sign(Grant(request=request, caller=caller, expires_s=expires_s))
        name = quote(os.fsencode(request.path.rstrip("/").rpartition("/")[2] or "workspace"), safe="")
        return Link(
            url=f"{self.base}{PREFIX}{word}/{name}",
            method="PUT" if request.action.changes else "GET",
            expires_at=datetime.fromtimestamp(expires_s, UTC),
        )
