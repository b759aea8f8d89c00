"""Pulls: one at a time for each image, however many wait for it, and all of them see its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from devbench_core.contracts.powers import SupportsPull
from devbench_core.logs import get_logger
from devbench_core.model.image import PullProgress, RegistryAuth

log = get_logger(__name__)
Progress = Callable[[PullProgress], Awaitable[None]]
Credentials = Callable[[str], "RegistryAuth | None"]
FOLLOWER_TIMEOUT_S = 5.0
"""How long one who follows a pull may hold it up with one step before it is told no more."""


class Pulls:
    """The pulls under way."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._under_way: dict[str, _Pull] = {}

    async def pull(
        self, engine: SupportsPull, name: str, progress: Progress | None, done: Callable[[], None]
    ) -> None:
        """Join the pull of this image that is under way, or begin it; return when it is done.

        A pull goes on while anybody waits for it, also when the one that began it is cancelled.

        Args:
            engine: What pulls.
            name: The full name.
            progress: Told each step.
            done: Called once when a pull that this call began has succeeded.

        Raises:
            ImagePullFailed: It failed, for all who wait.
        """
        pull = self._under_way.get(name)
        if pull is None:
            pull = _Pull()
            pull.task = asyncio.create_task(self._run(engine, name, pull, done))  # owned by those who wait
            self._under_way[name] = pull
        with pull.followed_by(progress):
            try:
                await asyncio.shield(pull.task)
            finally:
                if pull.is_left_by_its_last():
                    self._forget(name, pull)
                    await pull.cancel()

    async def _run(self, engine: SupportsPull, name: str, pull: _Pull, done: Callable[[], None]) -> None:
        try:
            auth = await asyncio.to_thread(self._credentials, name)
            async for step in engine.pull(name, auth):
                await pull.tell(step)
            done()
        finally:
            self._forget(name, pull)

    def _forget(self, name: str, pull: _Pull) -> None:
        if self._under_way.get(name) is pull:
            del self._under_way[name]


class _Pull:
    """A pull under way, and who follows it."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self._followers: list[Progress] = []
        self._waiting = 0

    @contextmanager
    def followed_by(self, progress: Progress | None) -> Generator[None, None, None]:
        self._waiting += 1
        if progress is not None:
            self._followers.append(progress)
        try:
            yield
        finally:
            self._waiting -= 1
            if progress is not None and progress in self._followers:
                self._followers.remove(progress)

    def is_left_by_its_last(self) -> bool:
        return self._waiting == 1 and not self.task.done()

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    async def tell(self, step: PullProgress) -> None:
        """Tell a step to all who follow; one that fails or hangs is told no more, and the pull goes on."""
        for follower in tuple(self._followers):
            try:
                async with asyncio.timeout(FOLLOWER_TIMEOUT_S):
                    await follower(step)
            except Exception as error:  # noqa: BLE001 - whatever it raises is its own affair
                log.warning("image.pull.follower_left", error=repr(error))
                if follower in self._followers:
                    self._followers.remove(follower)
