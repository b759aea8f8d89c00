"""Who a command runs as: the container's user, or one of those that its policy allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devbench_core.errors import ValidationFailed
from devbench_core.model.container import Container
from devbench_core.model.users import is_user, uid_of

if TYPE_CHECKING:
    from devbench_core.channel.handshake import Agent


def check_form(user: str | None) -> None:
    """Refuse what names no user.

    Raises:
        ValidationFailed: It is not ``uid`` or ``uid:gid``.
    """
    if user is not None and not is_user(user):
        raise ValidationFailed("user", f"{user[:40]!r} must be a numeric uid or uid:gid")


def user_of(user: str | None, agent: Agent, container: Container) -> str:
    """Return the other user that a command runs as, ``uid:gid``; "" for the container's own.

    Args:
        user: As it was asked for, of the right form.
        agent: Of the container's own user.
        container: Where.

    Raises:
        ValidationFailed: It may run as neither; names the container's user and those that are allowed.
    """
    own = f"{agent.uid}:{agent.gid}"
    if user is None or user in {own, str(agent.uid)}:
        return ""
    others = container.spec.policy.exec_users
    for other in others:
        # One with the container's own uid could end its agent's keepers; no policy was meant to allow it.
        if user in {other, other.partition(":")[0]} and uid_of(other) != agent.uid:
            return other
    allowed = ", ".join((own, *others))
    raise ValidationFailed(
        "user",
        f"commands in container {container.id!r} run as {own}"
        + (f", or as {', '.join(others)}" if others else "")
        + f"; none can run as {user}",
        hint="spawn a container whose policy.exec_users lists it, or whose policy.user it is",
        limit=allowed,
    )
