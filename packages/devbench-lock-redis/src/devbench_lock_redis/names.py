"""What the lock's things are called on the server."""

from __future__ import annotations

import secrets

INSTANCE_BYTES = 8


class Names:
    """Names of one opened lock; its own channel is named by a random word."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._instance = secrets.token_hex(INSTANCE_BYTES)
        self.channels = f"{prefix}wake:"

    @property
    def channel(self) -> str:
        """Where this lock's waiters are woken."""
        return self.channels + self._instance

    def owner(self, number: int) -> str:
        """Return the name of one hold; scripts find the channel by it."""
        return f"{self._instance}/{number}"

    def of(self, key: str) -> list[str]:
        """Return the keys of a lock's lease, queue, and living waiters, and that of the highest token of all."""
        return [
            *(f"{self._prefix}{part}:{key}" for part in ("lease", "queue", "alive")),
            f"{self._prefix}token",
        ]

    def release(self, key: str, owner: str) -> tuple[list[str], list[str | int]]:
        """Return the keys and arguments with which a hold gives back what it has."""
        return self.of(key)[:3], [owner, self.channels]
