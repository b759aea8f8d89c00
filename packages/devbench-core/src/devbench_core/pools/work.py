"""What a host does for its pools beside everything else: named tasks, each of which runs once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger

log = get_logger(__name__)


class Work:
    """Tasks of a group that is given later, and taken away when the host ends.

    Attributes:
        wake: Set when something happened after which there may be more to do.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Run tasks in this group from now on."""
        self._tasks = tasks

    def stop(self) -> None:
        """Begin nothing more, and stop what is under way: what it leaves is recorded, and removed at the host's end."""
        self._tasks = None
        for task in self._under_way.values():
            task.cancel()

    @property
    def is_on(self) -> bool:
        """Whether tasks are run now."""
        return self._tasks is not None

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin a piece of work, unless it is under way or this host ends."""
        if self._tasks is None or name in self._under_way:
            work.close()
            return
        task = self._tasks.create_task(self._guarded(name, work), name=f"pool: {name}")
        self._under_way[name] = task
        task.add_done_callback(lambda _: self._under_way.pop(name, None))

    def is_under_way(self, name: str) -> bool:
        """Tell whether a piece of work was begun and is not done."""
        return name in self._under_way

    def count(self, names: Iterable[str]) -> int:
        """Return how many of these are under way."""
        return sum(name in self._under_way for name in names)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and nothing happened after which there may be more to do."""
        return not self._under_way and not self.wake.is_set()

    async def done(self) -> None:
        """Wait until what is under way now is done."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """One piece of work must not end the host."""
        try:
            await work
        except DevbenchError as error:
            log.warning("pool.work_failed", work=name, error=str(error))
        except Exception:
            log.exception("pool.work_failed", work=name)
