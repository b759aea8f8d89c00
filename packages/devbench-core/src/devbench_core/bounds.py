"""Bounded waits whose error names the setting that bounds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from devbench_core.errors import TimedOut


@asynccontextmanager
async def bound(seconds: float, setting: str, what: str, *, unknown: str = "") -> AsyncGenerator[None, None]:
    """Bound the block in time.

    Args:
        seconds: The limit.
        setting: Name of the setting that holds it.
        what: Names the thing that is waited for, as the beginning of a sentence.
        unknown: What is not known then, as "whether …".

    Raises:
        TimedOut: The block was not done in time; it was cancelled.
    """
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            yield
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise TimedOut(
            f"{what} was not done within {seconds:g} s" + (f"; {unknown} is not known" if unknown else ""),
            hint=f"raise {setting}, or look at the engine with `devbench doctor`",
            details={"limit": seconds, "setting": setting},
        ) from error
