"""Time that a test moves, and a local runtime that fails where a test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import CreateRequest, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import EngineUnreachable
from devbench_core.hookspecs import hookimpl
from devbench_core.model.container import Observed
from devbench_core.model.policy import Clause
from devbench_core.testing.local import LocalRuntime, LocalSettings

if TYPE_CHECKING:
    from devbench_core.bench import Bench

LOOSE: dict[str, object] = {"tolerate_absent": [str(clause) for clause in Clause]}
"""A policy table that lets the local runtime, which enforces nothing, be used."""


class MovableClock(SystemClock):
    """Real time, plus whatever a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the moved time."""
        return datetime.now(UTC) + self.ahead

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)


class MoodyRuntime(LocalRuntime):
    """A local runtime whose calls can be made to fail, and counted."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.failing: dict[str, Exception] = {}
        self.calls: list[str] = []

    def _mood(self, call: str) -> None:
        self.calls.append(call)
        error = self.failing.get(call) or self.failing.get("*")
        if error is not None:
            raise error

    async def create(self, request: CreateRequest) -> str:
        """Make it, or fail."""
        self._mood("create")
        return await super().create(request)

    async def start(self, ref: str) -> None:
        """Start it, or fail."""
        self._mood("start")
        await super().start(ref)

    async def remove(self, ref: str) -> None:
        """Remove it, or fail."""
        self._mood("remove")
        await super().remove(ref)

    async def inspect(self, ref: str) -> Observed:
        """Look, or fail."""
        self._mood("inspect")
        return await super().inspect(ref)

    async def connect(self, ref: str) -> ByteStream:
        """Connect, or fail."""
        self._mood("connect")
        return await super().connect(ref)

    async def list(self, installation: str) -> AsyncIterator[Observed]:
        """List, or fail."""
        self._mood("list")
        async for observed in super().list(installation):
            yield observed

    def fall_silent(self) -> None:
        """Let every call fail as if nobody answered."""
        self.failing["*"] = EngineUnreachable("the engine does not answer")

    def answer_again(self) -> None:
        """Let no call fail any more."""
        self.failing.clear()


class MoodyPlugin:
    """Offers one moody runtime."""

    def __init__(self, root: Path) -> None:
        self.runtime = MoodyRuntime(root)

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer the one runtime."""

        @asynccontextmanager
        async def open_runtime(_s: LocalSettings, _c: OpenContext) -> AsyncGenerator[Runtime, None]:
            yield self.runtime

        return [Provider(name="local", settings=LocalSettings, open=open_runtime)]


Opener = Callable[..., AbstractAsyncContextManager["Bench"]]
"""Opens a bench on the same store, engine and clock, as often as a test likes."""
