"""Why a warm container that answers is replaced all the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from devbench_core.pools.records import Warm
from devbench_core.pools.tally import Tally

UNCONFIGURED = "unconfigured"
TOO_OLD = "too_old"
IMAGE_MOVED = "image_moved"
OTHER_MAKER = "other_maker"
POLICY_CHANGED = "policy_changed"


def reason_for(warm: Warm, tally: Tally | None, maker: str, now: datetime, max_age_s: float) -> str:
    """Return why it must go, "" when it may stay.

    As long as nobody knows what it should be (its image cannot be looked up), only its age counts.
    """
    if tally is None or warm.slot >= tally.pool.most:
        return UNCONFIGURED
    if now >= warm.made_at + timedelta(seconds=max_age_s):
        return TOO_OLD
    if tally.target is None or warm.fingerprint == tally.target.fingerprint:
        return ""
    if warm.maker != maker:
        return OTHER_MAKER
    return IMAGE_MOVED if warm.image_id != tally.target.image.id else POLICY_CHANGED
