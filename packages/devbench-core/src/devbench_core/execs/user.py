"""Who a command runs as: the container's user, and nobody else."""

from __future__ import annotations

import re

from devbench_core.channel.handshake import Agent
from devbench_core.errors import ValidationFailed

FORM = re.compile(r"(0|[1-9][0-9]{0,9})(:(0|[1-9][0-9]{0,9}))?")


def check_form(user: str | None) -> None:
    """Refuse what names no user.

    Raises:
        ValidationFailed: It is not ``uid`` or ``uid:gid``.
    """
    if user is not None and not FORM.fullmatch(user):
        raise ValidationFailed("user", f"{user[:40]!r} must be a numeric uid or uid:gid")


def check_user(user: str | None, agent: Agent, container_id: str) -> None:
    """Refuse a command as another user than its container's, which its agent cannot become.

    Raises:
        ValidationFailed: It is another one; names both.
    """
    own = f"{agent.uid}:{agent.gid}"
    if user is None or user in {own, str(agent.uid)}:
        return
    raise ValidationFailed(
        "user",
        f"commands in container {container_id!r} run as {own}; none can run as {user}",
        hint="spawn a container whose policy.user is the one that you need",
        limit=own,
    )
