"""How long a host may say nothing before its connection is given up."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from devbench_core.model.keepalive import KEEP_ALIVE_HEADER

LONGEST_S = 300.0
"""Of a host that sends no signs of life: then a call that takes long looks like one that is lost."""
SIGNS_MISSED = 3
"""So many intervals without a sign are silence: one may come late on a busy machine."""
SLOWEST_BYTES_PER_S = 16_384
"""What is sent lies in buffers on the way, where nobody sees it move, and nothing is answered before it came out."""
FIRST_ERROR = 400


@attrs.define
class Silence:
    """What is known of a host.

    Attributes:
        after_s: The least time that counts as silence.
        limit_s: For the next request. The first one opens a session, which every host answers at once.
    """

    after_s: float
    limit_s: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.limit_s = self.after_s

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Note what the head of an answer tells; an error may be a proxy's, and tells nothing."""
        if status < FIRST_ERROR:
            self.limit_s = max(self.after_s, min(SIGNS_MISSED * _interval_s(headers), LONGEST_S))

    def allowed_s(self, size: int) -> float:
        """Return how long nothing may come on the connection of a request of so many bytes."""
        return self.limit_s + size / SLOWEST_BYTES_PER_S


def _interval_s(headers: Mapping[str, str]) -> float:
    try:
        told = float(headers.get(KEEP_ALIVE_HEADER, ""))
    except ValueError:
        return LONGEST_S
    return told if told > 0 else LONGEST_S
