"""A runtime whose containers are plain agents on folders of this machine: no isolation at all, no engine needed.

It keeps the whole contract but for isolation, which it does not claim. Its containers outlive the host process, so
restarts and crashes of hosts can be tested in milliseconds. Never use it for code that you do not trust.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
from pydantic import BaseModel, ConfigDict, Field

from devbench_core.channel.unix import open_unix
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import (
    LABEL_CONTAINER,
    LABEL_INSTALLATION,
    CreateRequest,
    EngineInfo,
    Runtime,
)
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable, Conflict, ContainerExited, ContainerNotFound, ImageNotFound
from devbench_core.hookspecs import hookimpl
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed, Status
from devbench_core.model.image import Image
from devbench_core.model.policy import Clause
from devbench_core.testing.processes import descendants, is_running, start_time
from devbench_core.testing.threads import to_its_end

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
READY_S = 10.0
KILLED_S = 10.0
BETWEEN_BIND_AND_LISTEN = 20
"""Attempts to connect: a young agent has its socket a moment before it listens."""
STEP_S = 0.002


class LocalSettings(BaseModel):
    """Settings of the local runtime."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    root: Path | None = Field(
        default=None, description="Folder of the containers; in the state folder by default."
    )


class LocalRuntime:
    """Containers as folders with a running agent each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._architecture = ARCHITECTURES[platform.machine()]
        self._children: dict[str, asyncio.subprocess.Process] = {}

    @property
    def name(self) -> str:
        """``local``."""
        return "local"

    @property
    def capabilities(self) -> Capabilities:
        """No clause is enforced."""
        return Capabilities(
            enforces=frozenset(),
            reasons={
                clause: f"{clause}: the local runtime isolates nothing; an engine does" for clause in Clause
            },
            images=False,
            architectures=(self._architecture,),
        )

    async def ping(self) -> EngineInfo:
        """It always answers."""
        return EngineInfo(name="this machine", version=platform.release())

    async def create(self, request: CreateRequest) -> str:
        """Make the folder."""
        return await to_its_end(self._create, request)

    def _create(self, request: CreateRequest) -> str:
        folder = self._root / request.container_id
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise Conflict(f"container {request.container_id!r} exists already") from error
        (folder / "workspace").mkdir()
        spec: dict[str, object] = {"labels": request.labels, "env": request.env}
        spec |= {"agent": str(request.agent.path), "roots": request.agent.root_words}
        _write(folder / "spec.json", spec)
        return str(folder)

    async def start(self, ref: str) -> None:
        """Start the agent, in a session of its own so that it outlives us."""
        folder, spec = await asyncio.to_thread(_load, ref)
        try:
            await self._start(ref, folder, spec)
        except FileNotFoundError as error:
            if await asyncio.to_thread(folder.exists):
                raise  # it is the agent that is missing
            raise ContainerNotFound(f"container {folder.name!r} was removed while it started") from error

    async def _start(self, ref: str, folder: Path, spec: Mapping[str, object]) -> None:
        if not await asyncio.to_thread(_alive, folder):
            await self._launch(ref, folder, spec)
        pid, started = await asyncio.to_thread(_pid, folder)
        async with asyncio.timeout(READY_S):
            while not (folder / "agent.sock").exists():  # blocks: one look at a local folder
                if not is_running(pid, started):
                    text = (folder / "log").read_text("utf-8")  # blocks: a few lines, on failure
                    raise AgentUnavailable(f"the agent ended at once: {text[-500:]}")
                await asyncio.sleep(STEP_S)

    async def _launch(self, ref: str, folder: Path, spec: Mapping[str, object]) -> None:
        await to_its_end((folder / "agent.sock").unlink, missing_ok=True)  # of an earlier life
        log = (folder / "log").open("ab")
        try:
            process = await asyncio.create_subprocess_exec(
                str(spec["agent"]),
                "--workspace",
                str(folder / "workspace"),
                "--socket",
                "../agent.sock",  # beside the working directory: a whole path may be too long for an address
                *map(str, cast("list[str]", spec.get("roots", ()))),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_strings(spec["env"]),
                cwd=folder / "workspace",
                start_new_session=True,
            )
        finally:
            log.close()
        pid: dict[str, object] = {
            "pid": process.pid,
            "started": start_time(process.pid),
            "at": datetime.now(UTC).isoformat(),
        }
        try:
            await to_its_end(_write, folder / "pid.json", pid)
        except BaseException:
            with suppress(ProcessLookupError):  # whoever removed it meanwhile may have ended it
                process.kill()  # so that this start never was
            await process.wait()
            await to_its_end((folder / "pid.json").unlink, missing_ok=True)
            raise
        self._children[ref] = process

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """End the agent and whatever its commands left."""
        folder = Path(ref)
        pid, started = await asyncio.to_thread(_pid, folder)
        if not pid or not is_running(pid, started):
            return
        family = {each: start_time(each) for each in (pid, *descendants(pid))}
        _signal(pid, signal.SIGTERM)
        await _ended({pid: started}, max(grace_s, 1.0))
        family |= {each: start_time(each) for each in descendants(pid)}
        for member in family:
            _signal(member, signal.SIGKILL)
        await _ended(family, KILLED_S)

    async def remove(self, ref: str) -> None:
        """Stop and delete."""
        await self.stop(ref, grace_s=1.0)
        self._children.pop(ref, None)
        await to_its_end(shutil.rmtree, ref, ignore_errors=True)

    async def inspect(self, ref: str) -> Observed:
        """Look at the folder and the process; who sees first that it ended writes down when, and its parent how."""
        seen = await asyncio.to_thread(_observe, ref)
        if seen.status is not Status.EXITED or seen.finished_at is not None:
            return seen
        child = self._children.get(ref)
        code = None if child is None else await child.wait()
        await to_its_end(_write_ending, Path(ref), code)
        return await asyncio.to_thread(_observe, ref)

    async def list(self, installation: str) -> AsyncIterator[Observed]:
        """Look at all folders."""
        names = await asyncio.to_thread(lambda: sorted(self._root.iterdir()) if self._root.exists() else [])
        for folder in names:
            with suppress(ContainerNotFound):
                observed = await self.inspect(str(folder))
                if observed.labels.get(LABEL_INSTALLATION) == installation:
                    yield observed

    async def connect(self, ref: str) -> ByteStream:
        """Connect to the agent's socket."""
        observed = await self.inspect(ref)
        if observed.status is not Status.RUNNING:
            raise ContainerExited(f"container {observed.container_id!r} does not run")
        patience = BETWEEN_BIND_AND_LISTEN
        while True:
            try:
                return await open_unix(Path(ref) / "agent.sock")
            except AgentUnavailable:
                patience -= 1
                if patience == 0:
                    raise
            await asyncio.sleep(STEP_S)

    async def resolve_image(self, name: str) -> Image:
        """Know the image ``host`` only."""
        if name != "host":
            raise ImageNotFound(f"no image {name!r}", hint="the local runtime has only 'host'")
        return Image(name="host", id="host", architecture=self._architecture)

    async def images(self) -> tuple[Image, ...]:
        """Return ``host``."""
        return (await self.resolve_image("host"),)


def _load(ref: str) -> tuple[Path, dict[str, object]]:
    folder = Path(ref)
    try:
        return folder, json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContainerNotFound(f"no container at {ref!r}") from error


def _write(path: Path, data: Mapping[str, object]) -> None:
    """Write a file that others may read at any moment: they see all of it or none."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(data), encoding="utf-8")
    fresh.rename(path)


def _strings(value: object) -> dict[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]


def _pid(folder: Path) -> tuple[int, str]:
    data = _read(folder / "pid.json")
    return int(data.get("pid", 0)), str(data.get("started", ""))


def _alive(folder: Path) -> bool:
    pid, started = _pid(folder)
    return bool(pid) and is_running(pid, started)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _observe(ref: str) -> Observed:
    folder, spec = _load(ref)
    labels = _strings(spec["labels"])
    life, ended = _read(folder / "pid.json"), _read(folder / "ended.json")
    seen = Observed(ref=ref, container_id=labels[LABEL_CONTAINER], status=Status.CREATING, labels=labels)
    if not life:
        return seen
    seen = attrs.evolve(seen, status=Status.RUNNING, started_at=datetime.fromisoformat(life["at"]))
    if is_running(life["pid"], life["started"]):
        return seen
    seen = attrs.evolve(seen, status=Status.EXITED)
    if ended.get("life") != life:  # nobody has seen this ending yet; that of an earlier life is none
        return seen
    return attrs.evolve(seen, exit_code=ended["code"], finished_at=datetime.fromisoformat(ended["at"]))


def _write_ending(folder: Path, returned: int | None) -> None:
    code = returned if returned is None or returned >= 0 else 128 - returned  # as a shell says a signal
    life = _read(folder / "pid.json")
    if not life or is_running(life["pid"], life["started"]):  # removed or started again meanwhile
        return
    ending: dict[str, object] = {"life": life, "code": code}
    with suppress(FileNotFoundError):
        _write(folder / "ended.json", ending | {"at": datetime.now(UTC).isoformat()})


async def _ended(processes: Mapping[int, str], within_s: float) -> None:
    """Wait until none of these runs any more, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while any(is_running(pid, started) for pid, started in processes.items()):  # noqa: ASYNC110 - no event
                await asyncio.sleep(STEP_S)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@asynccontextmanager
async def open_local(settings: LocalSettings, context: OpenContext) -> AsyncGenerator[Runtime, None]:
    """Open the runtime on its folder."""
    root = settings.root or context.state_dir / "local"
    await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True)
    yield LocalRuntime(root)


class LocalPlugin:
    """Offers the runtime ``local`` to a bench that is given this plugin by its program."""

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer ``local``."""
        return [Provider(name="local", settings=LocalSettings, open=open_local)]


if TYPE_CHECKING:
    _: type[Runtime] = LocalRuntime
