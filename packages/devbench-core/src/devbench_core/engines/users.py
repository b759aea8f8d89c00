"""Which user a container's processes are."""

from __future__ import annotations

import attrs

from devbench_core.errors import ValidationFailed
from devbench_core.model.policy import Policy

ID_MAX = 2**32 - 2
ORDINARY = 1000


@attrs.frozen
class User:
    """Numeric user and group."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def user_of(policy: Policy) -> User:
    """Return the user that a policy asks for; the group is the user's number unless it is given.

    Raises:
        ValidationFailed: It is not numeric.
    """
    if not policy.user:
        return User(ORDINARY, ORDINARY)
    first, colon, second = policy.user.partition(":")
    uid = 0 if first == "root" else _number(first)
    return User(uid, _number(second) if colon else uid)


def guests_of(policy: Policy) -> tuple[User, ...]:
    """Return the other users that a policy allows.

    Raises:
        ValidationFailed: One has the number of the container's own user, who could end its processes.
    """
    own = user_of(policy)
    guests = tuple(parse(user) for user in policy.exec_users)
    if any(guest.uid == own.uid for guest in guests):
        raise ValidationFailed("policy.exec_users", f"names the uid of the container's own user, {own}")
    return guests


def parse(user: str) -> User:
    """Return the user of a ``uid:gid``."""
    uid, _, gid = user.partition(":")
    return User(int(uid), int(gid))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > ID_MAX:
        raise ValidationFailed("policy.user", "must be a number, or two like 1000:1000", limit=ID_MAX)
    return int(text)
