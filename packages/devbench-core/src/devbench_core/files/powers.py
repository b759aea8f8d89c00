"""What a container's agent can do: containers outlive hosts, so an old one may be asked for what it never learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devbench_core.errors import AgentOutdated

if TYPE_CHECKING:
    from devbench_core.channel.channel import AgentChannel


def require(channel: AgentChannel, feature: str, operation: str) -> None:
    """Refuse what the container's agent cannot do.

    Raises:
        AgentOutdated: It was started by an older devbench.
    """
    if feature not in channel.agent.features:
        raise AgentOutdated(
            f"the container's agent cannot do {operation}: it is older than this devbench",
            hint="spawn a new container, which gets the present agent",
            details={"feature": feature},
        )
