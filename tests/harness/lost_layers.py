"""A container whose writable layer is not where its engine put it: the engine fails to show it, and lists it still."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devbench_core.engines.answers import table


@asynccontextmanager
async def without_layer(shown: dict[str, Any]) -> AsyncGenerator[None]:
    """Move a container's layer away for the block; skips where this process may not, or the engine is elsewhere."""
    upper = str(table(shown, "GraphDriver", "Data").get("UpperDir", ""))
    if not upper or not os.access(Path(upper).parents[1], os.W_OK):
        pytest.skip("needs an engine whose layers on overlay this process may move")
    layer = Path(upper).parent
    away = layer.with_name(f"{layer.name}-away")
    await asyncio.to_thread(layer.rename, away)
    try:
        yield
    finally:
        await asyncio.to_thread(away.rename, layer)
