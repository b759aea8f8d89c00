"""The runtime itself: the contract's calls, built on a folder and a process a container."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from devbench_core.channel.dial import NotListening, dial
from devbench_core.clock import Clock
from devbench_core.contracts.runtime import CreateRequest, EngineInfo, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    ContainerExited,
    ContainerNotFound,
    EngineFailed,
)
from devbench_core.logs import get_logger
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups
from devbench_runtime_bubblewrap.children import CHILDREN
from devbench_runtime_bubblewrap.deletion import empty, find_aside, set_aside
from devbench_runtime_bubblewrap.folders import ContainerFolder, Folders
from devbench_runtime_bubblewrap.identity import HostUser
from devbench_runtime_bubblewrap.images.store import ImageStore
from devbench_runtime_bubblewrap.observe import observe, open_first_process
from devbench_runtime_bubblewrap.processes import ProcessMark, gone, read_mark, send
from devbench_runtime_bubblewrap.program import Program, probe_version, text_of
from devbench_runtime_bubblewrap.sandbox.kept_etc import KeptEtc
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from devbench_runtime_bubblewrap.spec import StoredSpec, load, load_of, names
from devbench_runtime_bubblewrap.status import bwrap_lives
from devbench_runtime_bubblewrap.worker import Worker

if TYPE_CHECKING:
    from devbench_core.contracts.powers import Stats, SupportsStats
    from devbench_core.model.image import Image
    from devbench_runtime_bubblewrap.launch import Launcher

now_s = time.monotonic  # waits are for other processes, so they go by real time
POLL_S = 0.001
POLL_MAX_S = 0.02
LOOK_AT = 50
"""Folders that are looked at in one go: a thread that is asked for each takes longer than its look."""
JUST_NOW_S = 1.0
log = get_logger(__name__)


@attrs.frozen(kw_only=True, eq=False)
class BubblewrapRuntime:
    """Containers of bubblewrap. Everything it knows is on disk, so any number of hosts may share a folder."""

    name: str
    settings: BubblewrapSettings
    capabilities: Capabilities
    program: Program
    folders: Folders
    images_kept: ImageStore
    groups: ControlGroups
    user: HostUser
    etc: KeptEtc
    launcher: Callable[[], Launcher]
    worker: Worker
    clock: Clock

    async def ping(self) -> EngineInfo:
        """Ask bwrap for its version, unless it has just told it: who opens a runtime pings it next."""
        path, version = self.program.path, self.program.version
        if now_s() - self.program.asked_s > JUST_NOW_S:
            path, version = await probe_version(str(path), self.settings.probe_timeout_s)
        versions = sorted({str(place.version) for place in self.groups.places})
        details = {
            "program": str(path),
            "folder": str(self.folders.base),
            "runs_as": f"{self.user.uid}:{self.user.gid}",
            "cgroups": "version " + " and ".join(versions) if versions else "none",
        }
        return EngineInfo(name="bubblewrap", version=text_of(version), details=details)

    async def create(self, request: CreateRequest) -> str:
        """Make a container's folder, with its workspace and agent."""
        return await self.worker.do(partial(self._make, request))

    def _make(self, request: CreateRequest) -> str:
        from devbench_runtime_bubblewrap.making import make_container

        return make_container(request, self.folders, self.images_kept, self.user, self.clock.now())

    async def start(self, ref: str) -> None:
        """Start PID 1 and wait for its socket."""
        folder = self.folders.container(ref)
        deadline = now_s() + self.settings.start_timeout_s
        while (child := await self._launched(folder)) is None:
            mark = await self.worker.do(partial(read_mark, folder.process))
            if mark is not None and mark.alive:
                return
            if now_s() > deadline:  # a dead host left it between two steps
                await self._end(folder)
                raise EngineFailed(
                    f"container {ref!r} was left half started, and has been ended", hint="try again"
                )
            await asyncio.sleep(POLL_MAX_S)
        CHILDREN.watch(child)
        await self._await_socket(folder)

    async def _launched(self, folder: ContainerFolder) -> int | None:
        launched = self.worker.do(partial(self._launch, folder))
        return (await asyncio.gather(launched, self.worker.do(self.groups.warm)))[0]

    def _launch(self, folder: ContainerFolder) -> int | None:
        spec = load(folder)
        root = self.images_kept.root(spec.image_id)
        agent = self.folders.agents / spec.agent
        return self.launcher().launch(spec, folder, root, agent, self.clock.now())

    async def _await_socket(self, folder: ContainerFolder) -> None:
        """Wait until the agent has made its socket.

        Raises:
            AgentUnavailable: It ended instead, or took too long.
        """
        pause_s = POLL_S
        deadline = now_s() + self.settings.start_timeout_s
        while not await self.worker.do(partial(os.path.lexists, folder.socket)):
            mark = await self.worker.do(partial(read_mark, folder.process))
            late = now_s() > deadline
            if late or mark is None or not mark.alive:
                from devbench_runtime_bubblewrap.launch import refusal

                why = await self.worker.do(partial(refusal, folder))
                raise AgentUnavailable(why, hint="see the container's log and devbench doctor")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """TERM to PID 1, then KILL."""
        try:
            folder = self.folders.container(ref)
        except ContainerNotFound:
            return
        descriptor = await self.worker.do(partial(open_first_process, folder))
        if descriptor is not None:
            try:
                send(descriptor, signal.SIGTERM)
                await gone(descriptor, grace_s)
            finally:
                os.close(descriptor)
        await self._end(folder)

    async def _end(self, folder: ContainerFolder) -> None:
        """Kill PID 1 and wait until its bwrap has reported and ended.

        Raises:
            EngineFailed: Something does not die.
        """
        deadline = now_s() + self.settings.kill_timeout_s
        while True:
            descriptor = await self.worker.do(partial(open_first_process, folder))
            if descriptor is not None:
                try:
                    send(descriptor, signal.SIGKILL)
                    await gone(descriptor, self.settings.kill_timeout_s)
                finally:
                    os.close(descriptor)
            elif not await self.worker.do(partial(bwrap_lives, folder.status)):
                return
            if now_s() > deadline:
                raise EngineFailed(
                    f"container {folder.path.name!r} does not end although it was killed",
                    hint="a process hangs in the kernel (a dead network disk?); try again later",
                )
            await asyncio.sleep(POLL_S)

    async def remove(self, ref: str) -> None:
        """Put the folder aside (so nobody can start it any more), end what runs, delete everything."""
        try:
            folder = self.folders.container(ref)
        except ContainerNotFound:
            return
        trash = self.folders.trash
        await self.worker.do(partial(set_aside, folder.path, trash))
        for aside in await self.worker.do(partial(find_aside, ref, trash)):
            await self._end(ContainerFolder(path=aside))
            await self.worker.do(partial(empty, trash, only=aside.name))
        await self.worker.do(partial(self.groups.remove, ref, wait_s=self.settings.kill_timeout_s))

    async def inspect(self, ref: str) -> Observed:
        """Look at the folder and the process."""
        return await self.worker.do(partial(self._inspect, self.folders.container(ref)))

    def _inspect(self, folder: ContainerFolder) -> Observed:
        return observe(load(folder), folder, self.groups)

    async def list(self, installation: str) -> AsyncIterator[Observed]:
        """Look at all folders."""
        there = await self.worker.do(partial(names, self.folders.containers))
        for begin in range(0, len(there), LOOK_AT):
            some = there[begin : begin + LOOK_AT]
            for found in await self.worker.do(partial(self._all_of, some, installation)):
                yield found

    def _all_of(self, some: Sequence[str], installation: str) -> list[Observed]:
        return [found for name in some if (found := self._one_of(name, installation)) is not None]

    def _one_of(self, name: str, installation: str) -> Observed | None:
        try:
            folder = self.folders.container(name)
            spec = load_of(folder, installation)
        except ContainerNotFound:
            return None
        except EngineFailed as error:
            log.warning("bubblewrap.damaged", container=name, error=error.message)
            return None
        return None if spec is None else observe(spec, folder, self.groups)

    async def connect(self, ref: str) -> ByteStream:
        """Connect to the agent's socket."""
        folder = self.folders.container(ref)
        deadline = now_s() + self.settings.connect_timeout_s
        pause_s = POLL_S
        while True:
            mark = await self._running(folder)
            try:
                return await dial(folder.socket, mark.pid)
            except NotListening as error:
                if now_s() > deadline:
                    raise AgentUnavailable(
                        f"the agent of container {ref!r} cannot be reached: {error}",
                        hint="try again, or kill it",
                    ) from error
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)

    async def _running(self, folder: ContainerFolder) -> ProcessMark:
        mark = await self.worker.do(partial(read_mark, folder.process))
        if mark is None or not mark.alive:
            observed = await self.inspect(folder.path.name)
            raise ContainerExited(
                f"container {observed.ref!r} does not run",
                details={"status": observed.status.value, "exit_code": observed.exit_code},
            )
        return mark

    async def stats(self, ref: str) -> Stats:
        """Read the counters of the container's control groups."""
        await self.inspect(ref)
        return await self.worker.do(partial(self.groups.stats, ref))

    async def resolve_image(self, name: str) -> Image:
        """Find ``host`` or an imported image by name or id."""
        return await self.worker.do(partial(self.images_kept.find, name))

    async def images(self) -> tuple[Image, ...]:
        """Return ``host`` and the imported images."""
        return await self.worker.do(self.images_kept.all)

    async def import_image(self, name: str, source: Path) -> Image:
        """Import a root file system as an image.

        Args:
            name: What to call it; a name that is taken is moved to the new content, and containers keep what they have.
            source: A tar (compressed or not) or a folder. Devices and set-user-id bits are left out.

        Raises:
            ValidationFailed: The name is not usable, or the source is no root file system or a hostile one.
            TooLarge: It is beyond ``image_max_bytes`` or ``image_max_entries``.
        """
        limits = {"max_bytes": self.settings.image_max_bytes, "max_entries": self.settings.image_max_entries}
        return await self.worker.do(partial(self.images_kept.add, name, source, **limits))

    async def delete_image(self, name: str) -> None:
        """Forget an imported image; an absent one is fine.

        Raises:
            Conflict: A container was made from it.
        """
        await self.worker.do(partial(self._delete_image, name))

    def _delete_image(self, name: str) -> None:
        ids = {image.id for image in self.images_kept.all() if image.name == name}
        for spec in self.specs():
            if spec.image_id in ids:
                raise Conflict(
                    f"container {spec.container_id!r} uses the image {name!r}",
                    hint="kill the container first",
                )
        self.images_kept.delete(name)

    def specs(self) -> tuple[StoredSpec, ...]:
        """Return the specs of all containers in the folder; blocking."""
        folders = (self.folders.container(name) for name in names(self.folders.containers))
        return tuple(spec for spec in map(_spec, folders) if spec is not None)

    async def sweep(self) -> None:
        """Finish what dead hosts left in the middle: put aside but not deleted."""
        for aside in await self.worker.do(lambda: [*self.folders.trash.iterdir()]):
            folder = ContainerFolder(path=aside)
            spec = await self.worker.do(partial(_spec, folder))
            await self._end(folder)
            await self.worker.do(partial(empty, self.folders.trash, only=aside.name))
            if spec is not None:
                groups, wait_s = self.groups.of(spec.installation), self.settings.kill_timeout_s
                await self.worker.do(partial(groups.remove, spec.container_id, wait_s=wait_s))


def _spec(folder: ContainerFolder) -> StoredSpec | None:
    try:
        return load(folder)
    except (ContainerNotFound, EngineFailed):
        return None


if TYPE_CHECKING:
    _runtime: type[Runtime] = BubblewrapRuntime
    _stats: type[SupportsStats] = BubblewrapRuntime
