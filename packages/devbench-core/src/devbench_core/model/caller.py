"""Who asks."""

from __future__ import annotations

from devbench_core.values import frozen

__all__ = ["ALL_SCOPES", "LOCAL", "Caller"]

ALL_SCOPES = frozenset({"read", "exec", "write", "manage"})


@frozen
class Caller:
    """The principal behind one call.

    Attributes:
        tenant: The namespace whose containers the caller sees.
        subject: Who within the tenant, for records and audit.
        scopes: What the caller may do: ``read``, ``exec``, ``write``, ``manage``.
        client: The client program's name, as it gave it; not trusted.
        correlation_id: Joins log lines of one call; "" when none was given.
    """

    tenant: str = "default"
    subject: str = "local"
    scopes: frozenset[str] = ALL_SCOPES
    client: str = ""
    correlation_id: str = ""


LOCAL = Caller()
"""The person or program on this machine that opened the core itself."""
