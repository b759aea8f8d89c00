"""Users of a container: numbers, because no image needs to know them by name."""

from __future__ import annotations

import re

__all__ = ["ID_MAX", "is_user", "uid_of", "whole"]

ID_MAX = 2**32 - 2
_FORM = re.compile(r"(0|[1-9][0-9]{0,9})(:(0|[1-9][0-9]{0,9}))?")


def is_user(text: str) -> bool:
    """Tell whether a text is a numeric ``uid`` or ``uid:gid``."""
    return _FORM.fullmatch(text) is not None and all(int(each) <= ID_MAX for each in text.split(":"))


def whole(user: str) -> str:
    """Return ``uid:gid``; the group is the user's number unless it is given."""
    uid, _, gid = user.partition(":")
    return f"{uid}:{gid or uid}"


def uid_of(user: str) -> int:
    """Return the number of the user alone."""
    return int(user.partition(":")[0])
