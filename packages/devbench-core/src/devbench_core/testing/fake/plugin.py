"""Offers one fake of each kind, every time the same, so that what they hold outlives a bench."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.scanner import Scanner
from devbench_core.contracts.store import Store
from devbench_core.hookspecs import hookimpl
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.lock import FakeLock
from devbench_core.testing.fake.runtime import FakeRuntime
from devbench_core.testing.fake.scanner import FakeScanner
from devbench_core.testing.fake.store import FakeStore

T = TypeVar("T")
FAKE = "fake"


class NoSettings(BaseModel):
    """A fake is set up by its test."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FakePlugin:
    """Offers ``fake`` as runtime, store, lock and scanner.

    Attributes:
        clock: Of all of them.
        runtime: The runtime.
        store: The store.
        lock: The lock.
        scanner: The scanner.
    """

    def __init__(self, root: Path, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.runtime = FakeRuntime(root, self.clock)
        self.store = FakeStore(self.clock)
        self.lock = FakeLock(self.clock)
        self.scanner = FakeScanner(self.clock)

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer the runtime."""
        return [Provider(name=FAKE, settings=NoSettings, open=_always(self.runtime))]

    @hookimpl
    def devbench_stores(self) -> Sequence[Provider[Store]]:
        """Offer the store."""
        return [Provider(name=FAKE, settings=NoSettings, open=_always(self.store))]

    @hookimpl
    def devbench_locks(self) -> Sequence[Provider[Lock]]:
        """Offer the lock."""
        return [Provider(name=FAKE, settings=NoSettings, open=_always(self.lock))]

    @hookimpl
    def devbench_scanners(self) -> Sequence[Provider[Scanner]]:
        """Offer the scanner."""
        return [Provider(name=FAKE, settings=NoSettings, open=_always(self.scanner))]

    def heal(self) -> None:
        """Withdraw every fault of all of them."""
        for fake in (self.runtime, self.store, self.lock, self.scanner):
            fake.faults.clear()


def _always(opened: T) -> Callable[[NoSettings, OpenContext], AbstractAsyncContextManager[T]]:
    @asynccontextmanager
    async def open_it(_settings: NoSettings, _context: OpenContext) -> AsyncGenerator[T, None]:
        yield opened

    return open_it
