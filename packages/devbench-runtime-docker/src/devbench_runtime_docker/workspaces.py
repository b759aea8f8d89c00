"""Workspace volumes, made ahead of need.

A fresh volume belongs to root and only an archive call to a helper container can change that, which takes as long as
half a spawn. So several are made at once and wait here; a spawn takes one and loses no time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Coroutine

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.runtime import LABEL_INSTALLATION
from devbench_core.engines import tars
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.failures import translate
from devbench_core.engines.names import (
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_WORKSPACE,
    new_helper_name,
    new_workspace_name,
)
from devbench_core.engines.removals import Removals
from devbench_core.engines.users import User
from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.helper import helper, volume_mount

log = get_logger(__name__)

USERS_MAX = 4
BATCH_MAX = 64


@attrs.frozen
class _Prepared:
    name: str
    since_s: float


@attrs.define(eq=False)
class _Shelf:
    """What is ready for one user."""

    ready: deque[_Prepared] = attrs.field(factory=deque[_Prepared])
    filling: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    waiting: int = 0
    refilling: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for it or fills it: what is put on a shelf that was let go would be lost."""
        return not self.waiting and not self.refilling


class Workspaces:
    """The stock of one runtime."""

    def __init__(
        self,
        engine: Engine,
        *,
        installation: str,
        owner: str,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        removals: Removals,
    ) -> None:
        self._engine = engine
        self._removals = removals
        self._labels = {LABEL_INSTALLATION: installation, LABEL_OWNER: owner}
        self._clock = clock
        self._tasks = tasks
        self._shelves: OrderedDict[User, _Shelf] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()
        self._closing = False

    async def take(self, user: User, image_id: str) -> str:
        """Return the name of an empty volume that belongs to a user; it is the caller's now.

        Raises:
            ImageNotFound: The image, which helps with the making, is gone.
            EngineFailed: The engine could not make one.
            EngineUnreachable: It did not answer.
        """
        shelf = self._shelf(user)
        shelf.waiting += 1
        try:
            while (found := self._pop(shelf)) is None:
                async with shelf.filling:
                    if not shelf.ready:
                        await self._prepare(shelf, user, image_id)
        finally:
            shelf.waiting -= 1
            self._let_go()
        low = len(shelf.ready) <= self._engine.settings.prepared_workspaces // 4
        is_held = self._shelves.get(user) is shelf
        if low and is_held and not shelf.refilling and not self._closing:
            shelf.refilling = True
            self._background(self._refill(shelf, user, image_id))
        return found

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all volumes that belong to containers."""
        return {**self._labels, LABEL_ROLE: ROLE_WORKSPACE}

    def discard(self, *names: str, may_come: bool = False) -> None:
        """Remove volumes that nobody will use, in the background."""
        self._removals.take_back(*names, may_come=may_come)

    async def close(self) -> None:
        """Finish what is under way, within the sweep's bound, and have removed what nobody took."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                while self._under_way:
                    await asyncio.wait(self._under_way)
        self.discard(*(each.name for shelf in self._shelves.values() for each in shelf.ready))
        self._shelves.clear()

    def _shelf(self, user: User) -> _Shelf:
        shelf = self._shelves.setdefault(user, _Shelf())
        self._shelves.move_to_end(user)
        return shelf

    def _let_go(self) -> None:
        """Keep the shelves of few users: those in use, and else those that were used last."""
        idle = [user for user, shelf in self._shelves.items() if shelf.is_idle]
        for user in idle[: max(0, len(self._shelves) - USERS_MAX)]:
            self.discard(*(each.name for each in self._shelves.pop(user).ready))

    def _pop(self, shelf: _Shelf) -> str | None:
        oldest = self._clock.monotonic_s() - self._engine.settings.prepared_max_age_s
        while shelf.ready:
            found = shelf.ready.popleft()
            if found.since_s > oldest:
                return found.name
            self.discard(found.name)
        return None

    async def _refill(self, shelf: _Shelf, user: User, image_id: str) -> None:
        try:
            async with shelf.filling:
                await self._prepare(shelf, user, image_id)
        except DevbenchError as error:
            log.warning("docker.workspaces_not_prepared", error=str(error))
        except Exception:  # of a client's library: no reason to end the host
            log.exception("docker.workspaces_not_prepared")
        finally:
            shelf.refilling = False
            self._let_go()

    async def _prepare(self, shelf: _Shelf, user: User, image_id: str) -> None:
        """Make as many as are configured, or as are waited for, with one call for all."""
        helping = new_helper_name()
        count = min(max(self._engine.settings.prepared_workspaces, shelf.waiting), BATCH_MAX)
        names = [new_workspace_name() for _ in range(count)]
        folders = [f"devbench-{index}" for index in range(count)]
        mounts = [
            volume_mount(name, f"/{folder}", labels=self.labels)
            for name, folder in zip(names, folders, strict=True)
        ]
        try:
            async with helper(
                self._engine, image_id, mounts, self._labels, name=helping, remove=self._removals.helper
            ) as container:
                tar = tars.folders(folders, user.uid, user.gid)
                await self._engine.put_archive(
                    container, "/", tar, doing="prepare workspaces", setting="fill_timeout_s"
                )
        except BaseException as error:
            may_come = not isinstance(error, EngineAnswer)
            self._removals.take_back(*names, helper=helping, may_come=may_come)
            if isinstance(error, EngineAnswer):
                raise translate(error, "prepare workspaces with", image=image_id) from error
            raise
        now_s = self._clock.monotonic_s()
        shelf.ready.extend(_Prepared(name, now_s) for name in names)

    def _background(self, work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
