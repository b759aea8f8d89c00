"""How many commands of this host run, in each container and in all, and who waits for one of them to end.

Those of other hosts in a container are counted by its agent, which has the last word.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import attrs

from devbench_core.errors import AgentUnavailable, ConcurrencyLimit, DevbenchError
from devbench_core.execs.settings import ExecLimits
from devbench_core.metrics import EXECS_QUEUED, EXECS_RUNNING


class Crowded(Exception):
    """A start that was recorded, since it has a key, was not begun: other hosts' commands fill the container."""

    def __init__(self, error: ConcurrencyLimit) -> None:
        super().__init__(error.message)
        self.error = error


@attrs.frozen(eq=False)
class _Waiter:
    container_id: str
    granted: asyncio.Future[None]


class Slots:
    """Counts. Taking a slot is a single step, so the limits are exact however many callers there are.

    Who waits is served in the order of coming; one whose container is full does not hold up those of others.
    """

    def __init__(self, limits: ExecLimits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()
        self._total = 0
        self._crowded: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}
        self._closed: AgentUnavailable | None = None

    async def take(self, container_id: str, wait_s: float = 0.0) -> None:
        """Take a slot.

        Args:
            container_id: Where the command shall run.
            wait_s: How long to wait for one; 0 refuses at once.

        Raises:
            ConcurrencyLimit: None was free, or became free in time, or too many wait already.
            AgentUnavailable: The host is closing.
        """
        if self._closed is not None:
            raise self._closed
        if not self._is_full(container_id) and not self._waits(container_id):
            self._count(container_id)
            return
        if wait_s <= 0:
            raise self._refusal(container_id)
        if self._waits(container_id) >= self._limits.queue_per_container:
            raise self._long_queue(container_id)
        await self._wait(container_id, wait_s)

    def adopt(self, container_id: str) -> None:
        """Count a command that another host had accepted, whatever the limit."""
        self._count(container_id)

    def free(self, container_id: str) -> None:
        """Give a slot back; the first who can use it gets it."""
        self._taken[container_id] -= 1
        self._total -= 1
        EXECS_RUNNING.dec()
        if self._taken[container_id] <= 0:
            del self._taken[container_id]
        self._grant()

    @contextmanager
    def kept(self, container_id: str) -> Generator[None]:
        """Give a slot back if the block fails."""
        try:
            yield
        except BaseException:
            self.free(container_id)
            raise

    @asynccontextmanager
    async def turn(self, container_id: str, wait_s: float) -> AsyncGenerator[None]:
        """Wait, with a slot in the hand, to be the first whom other hosts' commands keep out of a container.

        Until the block is left nobody of this host takes another slot there. The slot goes back if it is not entered.

        Args:
            container_id: Where the command shall run.
            wait_s: How long to wait.

        Raises:
            ConcurrencyLimit: Others were before it for so long.
        """
        self._crowded[container_id] += 1
        lock = self._turns.setdefault(container_id, asyncio.Lock())
        try:
            with self.kept(container_id):
                await self._acquired(lock, container_id, wait_s)
            try:
                yield
            finally:
                lock.release()
        finally:
            self._uncrowd(container_id)

    async def _acquired(self, lock: asyncio.Lock, container_id: str, wait_s: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                await lock.acquire()
        except TimeoutError as error:
            raise self.crowded(container_id) from error

    def _uncrowd(self, container_id: str) -> None:
        self._crowded[container_id] -= 1
        if self._crowded[container_id] <= 0:
            del self._crowded[container_id]
            del self._turns[container_id]
        self._grant()

    def dismiss(self, container_id: str, error: DevbenchError) -> None:
        """Tell those who wait for a container that they wait in vain."""
        for waiter in [each for each in self._waiting if each.container_id == container_id]:
            self._leave(waiter)
            if not waiter.granted.done():
                waiter.granted.set_exception(error)

    def close(self) -> None:
        """Let nobody in any more: the host is closing."""
        self._closed = AgentUnavailable(
            "this host is closing", hint="ask another one, or this one's next life"
        )
        for container_id in {waiter.container_id for waiter in self._waiting}:
            self.dismiss(container_id, self._closed)

    def taken(self, container_id: str) -> int:
        """Return how many are taken."""
        return self._taken.get(container_id, 0)

    def total(self) -> int:
        """Return how many are taken in all containers."""
        return self._total

    async def _wait(self, container_id: str, wait_s: float) -> None:
        waiter = _Waiter(container_id, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        EXECS_QUEUED.inc()
        try:
            async with asyncio.timeout(wait_s):
                await waiter.granted
        except TimeoutError as error:
            self._give_up(waiter)
            raise self._refusal(container_id) from error
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise

    def _give_up(self, waiter: _Waiter) -> None:
        """Leave the queue; a slot that was granted in the same moment goes to the next."""
        if waiter in self._waiting:
            self._leave(waiter)
            self._grant()  # who came after it may have been held up by it
        elif not waiter.granted.cancelled() and waiter.granted.exception() is None:
            self.free(waiter.container_id)

    def _grant(self) -> None:
        for waiter in list(self._waiting):
            if not self._is_full(waiter.container_id) and not waiter.granted.done():
                self._leave(waiter)
                self._count(waiter.container_id)
                waiter.granted.set_result(None)

    def _leave(self, waiter: _Waiter) -> None:
        self._waiting.remove(waiter)
        EXECS_QUEUED.dec()

    def _is_full(self, container_id: str) -> bool:
        return (
            container_id in self._crowded
            or self._taken[container_id] >= self._limits.concurrent_per_container
            or self.total() >= self._limits.concurrent_per_host
        )

    def _waits(self, container_id: str) -> int:
        return sum(
            waiter.container_id == container_id and not waiter.granted.done() for waiter in self._waiting
        )

    def _count(self, container_id: str) -> None:
        self._taken[container_id] += 1
        self._total += 1
        EXECS_RUNNING.inc()

    def crowded(self, container_id: str) -> ConcurrencyLimit:
        """Return the refusal of a start whose slot other hosts' commands hold."""
        limit = self._limits.concurrent_per_container
        return self._refused(limit, "execs.concurrent_per_container", f"in container {container_id!r}")

    async def rest(self, deadline_s: float, now_s: float, container_id: str) -> None:
        """Wait a moment for other hosts' commands, with a slot in the hand, until the deadline.

        Raises:
            ConcurrencyLimit: The deadline is over.
            AgentUnavailable: The host is closing.
        """
        if self._closed is not None:
            raise self._closed
        if now_s >= deadline_s:
            raise self.crowded(container_id)
        EXECS_QUEUED.inc()
        try:
            await asyncio.sleep(min(self._limits.slot_look_s, deadline_s - now_s))
        finally:
            EXECS_QUEUED.dec()

    def _refusal(self, container_id: str) -> ConcurrencyLimit:
        if container_id in self._crowded or self.taken(container_id) >= self._limits.concurrent_per_container:
            limit, setting = self._limits.concurrent_per_container, "execs.concurrent_per_container"
            where = f"in container {container_id!r}"
        else:
            limit, setting, where = (
                self._limits.concurrent_per_host,
                "execs.concurrent_per_host",
                "on this host",
            )
        return self._refused(limit, setting, where)

    @staticmethod
    def _refused(limit: int, setting: str, where: str) -> ConcurrencyLimit:
        return ConcurrencyLimit(
            f"{limit} commands are running {where}",
            hint=f"wait for one, cancel one, or start it with queue_s; the limit is {setting}",
            details={"limit": limit, "setting": setting},
        )

    def _long_queue(self, container_id: str) -> ConcurrencyLimit:
        limit = self._limits.queue_per_container
        return ConcurrencyLimit(
            f"{limit} commands are waiting for container {container_id!r} already",
            hint="try again later; the limit is execs.queue_per_container",
            details={"limit": limit, "setting": "execs.queue_per_container"},
        )
