"""Those of this process who wait for a key, each with a bell."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


class Bells:
    """Bells by the names of the holds that wait."""

    def __init__(self) -> None:
        self._bells: dict[str, asyncio.Event] = {}

    @contextmanager
    def expected(self, waiter: str) -> Generator[asyncio.Event]:
        """Give the event that is set when it is this waiter's turn."""
        bell = self._bells[waiter] = asyncio.Event()
        try:
            yield bell
        finally:
            del self._bells[waiter]

    def ring(self, waiter: str) -> None:
        """It is this one's turn."""
        bell = self._bells.get(waiter)
        if bell is not None:
            bell.set()

    def ring_all(self) -> None:
        """Nobody listened for a while: let all look for themselves."""
        for bell in self._bells.values():
            bell.set()
