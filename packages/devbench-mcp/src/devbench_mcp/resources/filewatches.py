"""Follows files for those who subscribed to them: one watch for each root of a container, however many subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import attrs

from devbench_core.errors import ContainerExited, ContainerNotFound, DevbenchError
from devbench_core.files.paths import absolute_path, agent_path
from devbench_core.files.settings import FileLimits
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.change import FileChanges
from devbench_mcp.resources.watches import Ring

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
LOOK_S = 30.0
"""One wait for changes; how long does not matter, it is begun again."""
RETRY_S = 2.0
"""After the agent failed."""
PARTIAL_EVERY_S = 30.0
"""How often everybody is rung of a tree that is too large to be watched as a whole."""
Key = tuple[str, str, PurePosixPath]


@attrs.define(eq=False)
class _Watch:
    """A root of a container, beneath which somebody follows files."""

    container_id: str
    root: PurePosixPath
    caller: Caller
    cursor: str = ""
    ended: bool = False
    rings: dict[object, tuple[PurePosixPath, Ring]] = attrs.field(
        factory=dict[object, tuple[PurePosixPath, Ring]]
    )
    task: asyncio.Task[None] | None = None

    def ring(self, of: Callable[[PurePosixPath], bool]) -> None:
        for path, ring in list(self.rings.values()):
            if of(path):
                ring(self.ended)


class FileWatches:
    """Rings when a file has changed, at most every ``every_s``, and once when its container has ended.

    A file that is deleted is followed on: another may come in its place.

    Args:
        bench: Where the files are; their use case is made when somebody follows some.
        tasks: Owns the tasks.
        every_s: The least time between two rings of a file.
    """

    def __init__(self, bench: Bench, tasks: asyncio.TaskGroup, *, every_s: float) -> None:
        self._bench = bench
        self._tasks = tasks
        self._every_s = every_s
        self._watches: dict[Key, _Watch] = {}

    @property
    def count(self) -> int:
        """How many roots of containers are watched now."""
        return len(self._watches)

    async def follow(self, container_id: str, path: str, caller: Caller, ring: Ring) -> Callable[[], None]:
        """Ring from now on; returns how to stop that, which may be called again and again.

        Raises:
            FileMissing: Nothing is at the path.
            ContainerNotFound: The caller's tenant has no such container.
            AgentOutdated: The container's agent cannot watch.
        """
        await self._bench.files.stat(container_id, path, caller=caller)
        root = await self._bench.files.root_of(container_id, path, caller=caller)
        key = (caller.tenant, container_id, root)
        watch = self._watches.get(key)
        if watch is None:
            page = await self._bench.files.changes(
                container_id, root, caller=caller
            )  # from here on nothing is missed
            watch = self._watches.setdefault(key, _Watch(container_id, root, caller, page.cursor))
        if watch.task is None:
            watch.task = self._tasks.create_task(self._follow(key, watch), name=f"watch {container_id}")
        token = object()
        watch.rings[token] = (absolute_path(agent_path(path, FileLimits())), ring)

        def stop() -> None:
            watch.rings.pop(token, None)
            if not watch.rings:
                self._drop(key, watch)

        return stop

    def close(self) -> None:
        """Follow nothing any longer."""
        for key, watch in list(self._watches.items()):
            self._drop(key, watch)

    def _drop(self, key: Key, watch: _Watch) -> None:
        if self._watches.get(key) is watch:
            del self._watches[key]
        if watch.task is not None:
            watch.task.cancel()

    async def _follow(self, key: Key, watch: _Watch) -> None:
        try:
            while not watch.ended:
                await self._step(watch)
        finally:
            if self._watches.get(key) is watch:
                del self._watches[key]

    async def _step(self, watch: _Watch) -> None:
        try:
            page = await self._bench.files.changes(
                watch.container_id, watch.root, cursor=watch.cursor, wait_s=LOOK_S, caller=watch.caller
            )
        except (ContainerNotFound, ContainerExited):
            watch.ended = True
            watch.ring(lambda _: True)
            return
        except DevbenchError as error:
            log.warning("watch.failed", container=watch.container_id, error=error.message)
            await asyncio.sleep(RETRY_S)
            return
        except Exception:  # a store's own fault; an error here would end all that this host watches
            log.exception("watch.failed", container=watch.container_id)
            await asyncio.sleep(RETRY_S)
            return
        watch.cursor = page.cursor
        watch.ring(lambda path: _concerns(page, path))
        if page.changes or page.rescan:
            await asyncio.sleep(PARTIAL_EVERY_S if page.partial else self._every_s)


def _concerns(page: FileChanges, path: PurePosixPath) -> bool:
    """Tell whether a page of changes may be about a file: about itself, or about a folder above it that moved."""
    if page.rescan or page.partial:
        return True
    return any(
        path.is_relative_to(touched)
        for change in page.changes
        for touched in (change.path, change.origin)
        if touched is not None
    )
