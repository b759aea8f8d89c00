"""A container whose writable layer is not where its engine put it: the engine fails to show it, and lists it still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devbench_core.engines.answers import table


@asynccontextmanager
async def without_layer(shown: dict[str, Any]) -> AsyncGenerator[None]:
    """Move a container's layer away for the block; the tests' own engines have theirs on overlay, where root may."""
    upper = str(table(shown, "GraphDriver", "Data").get("UpperDir", ""))
    assert upper, "the engine keeps no layers on overlay"
    layer = Path(upper).parent
    away = layer.with_name(f"{layer.name}-away")
    await asyncio.to_thread(layer.rename, away)
    try:
        yield
    finally:
        await asyncio.to_thread(away.rename, layer)
