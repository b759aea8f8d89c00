"""What a plugin's tests give the kit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from devbench_core.contracts.store import Store

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens the store; one that lasts has the same content each time."""
