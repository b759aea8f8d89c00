"""The secrets that only hosts and an agent know."""

from __future__ import annotations

import secrets

TOKEN_BYTES = 32


def new_token() -> bytes:
    """Return a fresh token for one agent."""
    return secrets.token_bytes(TOKEN_BYTES)
