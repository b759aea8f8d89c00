"""As whom containers run on this machine."""

from __future__ import annotations

import os

from devbench_core.values import frozen

ORDINARY = 1000
"""User and group inside a container unless the policy names others."""


@frozen
class HostUser:
    """The user of this machine behind every process in a container.

    Attributes:
        uid: The user.
        gid: The group.
        switch: Whether devbench must change to it (as root), or already is it.
    """

    uid: int
    gid: int
    switch: bool

    @property
    def new_uid(self) -> int | None:
        """The user to change to in a subprocess, None for no change."""
        return self.uid if self.switch else None

    @property
    def new_gid(self) -> int | None:
        """The group to change to in a subprocess, None for no change."""
        return self.gid if self.switch else None

    @property
    def new_groups(self) -> list[int] | None:
        """The further groups to keep in a subprocess: none of root's, all of an ordinary user's."""
        return [] if self.switch else None

    def own(self, path: str | os.PathLike[str]) -> None:
        """Give a new file or folder to this user."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def host_user(run_as: int) -> HostUser:
    """Return whom containers run as: ``run_as`` when devbench is root, else the caller."""
    if os.geteuid() == 0:
        return HostUser(uid=run_as, gid=run_as, switch=True)
    return HostUser(uid=os.geteuid(), gid=os.getegid(), switch=False)


def inside_ids(user: str) -> tuple[int, int]:
    """Return user and group inside a container for a policy's ``user``."""
    if not user:
        return ORDINARY, ORDINARY
    uid, _, gid = user.partition(":")
    number = 0 if uid == "root" else int(uid)
    return number, int(gid) if gid else number
