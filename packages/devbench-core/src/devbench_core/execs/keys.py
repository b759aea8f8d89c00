"""What an agent calls a command: its id, and the host that started it.

The starter is in the key because a command's record is written beside its START. A command without a record whose
starter is dead was never promised to anybody; one whose starter lives is about to be recorded.
"""

from __future__ import annotations

SEPARATOR = "@"


def agent_key(exec_id: str, starter: str) -> str:
    """Return the key that goes to the agent with START."""
    return f"{exec_id}{SEPARATOR}{starter}"


def exec_of(key: str) -> str:
    """Return the id of the command with this key."""
    return key.partition(SEPARATOR)[0]


def starter_of(key: str) -> str:
    """Return the host that started the command with this key, "" when the key does not say."""
    return key.partition(SEPARATOR)[2]
