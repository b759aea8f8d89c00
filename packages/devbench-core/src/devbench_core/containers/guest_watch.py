"""Notices agents of other users that say nothing any more: their own processes can stop them, which no signal undoes.

Such an agent enforces no time limit, and its commands would hold their slots for as long as the container lives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.channel.link import AgentLink

PING_EVERY_S = 5.0
UNANSWERED_MAX = (
    2  # one may be this host's own fault: a loop that stood still sees its timers before the answer
)


async def until_silent(link: AgentLink) -> None:
    """Return when an agent on which commands depend left some pings unanswered, one after the other."""
    unanswered = 0
    while unanswered < UNANSWERED_MAX:
        if unanswered == 0:
            await asyncio.sleep(PING_EVERY_S)
        unanswered = 0 if await link.answers() else unanswered + 1
