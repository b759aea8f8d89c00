"""Whether the host can do its work now: store, lock and runtime answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from devbench_core.errors import DevbenchError

if TYPE_CHECKING:
    from devbench_core.bench import Bench

OK = "ok"
REMEMBER_S = 1.0
"""Anybody may ask, so the engine is asked at most this often."""
LOCK_TTL_S = 10.0


class Readiness:
    """Asks the three that every call needs."""

    def __init__(self, bench: Bench, timeout_s: float) -> None:
        self._bench = bench
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._last: tuple[float, dict[str, str]] | None = None

    async def check(self) -> dict[str, str]:
        """Return ``ok`` or an error code for ``store``, ``lock`` and ``runtime``; at most a second old."""
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > REMEMBER_S:
                self._last = (time.monotonic(), await self._ask())
            return self._last[1]

    async def _ask(self) -> dict[str, str]:
        questions: dict[str, Callable[[], Awaitable[object]]] = {
            "store": lambda: self._bench.store.get("probe", "readyz"),
            "lock": self._hold,
            "runtime": self._bench.runtime.ping,
        }
        answers = await asyncio.gather(*(self._bounded(question) for question in questions.values()))
        return dict(zip(questions, answers, strict=True))

    async def _bounded(self, question: Callable[[], Awaitable[object]]) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                await question()
        except TimeoutError:
            return "timeout"
        except DevbenchError as error:
            return error.code
        return OK

    async def _hold(self) -> None:
        async with self._bench.lock.hold(
            f"readyz/{self._bench.instance}", ttl_s=LOCK_TTL_S, wait_s=self._timeout_s
        ):
            pass
