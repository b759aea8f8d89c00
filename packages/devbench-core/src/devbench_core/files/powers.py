"""What an agent must be able to do: containers outlive hosts, so an older agent may be asked."""

from __future__ import annotations

from devbench_core.channel.channel import AgentChannel
from devbench_core.errors import FileFailed


def require(channel: AgentChannel, feature: str, operation: str) -> None:
    """Check that the agent has a power that it told of when it was greeted.

    Raises:
        FileFailed: It has not; the reason is ``unsupported``.
    """
    if feature not in channel.agent.features:
        raise FileFailed(
            f"{operation} is not known to the agent of this container, which an older devbench started",
            hint="spawn a new container and copy the files over, or do it by a command in this one",
            details={"reason": "unsupported", "feature": feature},
        )
