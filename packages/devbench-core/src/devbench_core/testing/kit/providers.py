"""Opens a provider as composition does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

from devbench_core.clock import Clock, SystemClock
from devbench_core.contracts.provider import OpenContext, Provider

T = TypeVar("T")


def open_provider(
    provider: Provider[T],
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    installation: str = "i_test",
) -> AbstractAsyncContextManager[T]:
    """Open what a provider offers; opened twice in one folder, something that lasts has the same content.

    Args:
        provider: Of the plugin.
        folder: Private to the test.
        settings: Of the plugin's table in the configuration; its defaults without any.
        clock: Where time comes from.
        installation: The identity on an engine.

    Raises:
        pydantic.ValidationError: The settings are wrong.
    """
    context = OpenContext(
        installation=installation,
        state_dir=folder / "state",
        cache_dir=folder / "cache",
        clock=clock or SystemClock(),
    )
    return provider.open(provider.settings.model_validate(dict(settings or {})), context)
