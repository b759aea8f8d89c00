"""Faults of runtimes, seeded into the one whose containers are plain processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import attrs

from devbench_core.contracts.runtime import CreateRequest, EngineInfo
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    ContainerExited,
    ContainerNotFound,
    EngineFailed,
    EngineUnreachable,
    ImageNotFound,
)
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Observed, Status
from devbench_core.model.image import Image
from devbench_core.model.policy import Clause
from devbench_core.testing.local import LocalRuntime

FAULTS: dict[str, Callable[[Path], LocalRuntime]] = {}
"""By the sentence that says what is wrong."""


class Cut(LocalRuntime):
    """The sound one, whose engine can be out of reach."""

    lost = False

    def answers(self) -> None:
        if self.lost:
            raise EngineUnreachable("nobody is there")

    async def ping(self) -> EngineInfo:
        self.answers()
        return await super().ping()

    async def create(self, request: CreateRequest) -> str:
        self.answers()
        return await super().create(request)

    async def start(self, ref: str) -> None:
        self.answers()
        await super().start(ref)

    async def remove(self, ref: str) -> None:
        self.answers()
        await super().remove(ref)

    async def inspect(self, ref: str) -> Observed:
        self.answers()
        return await super().inspect(ref)

    async def list(self, installation: str) -> AsyncIterator[Observed]:
        self.answers()
        async for seen in super().list(installation):
            yield seen

    async def resolve_image(self, name: str) -> Image:
        self.answers()
        return await super().resolve_image(name)


def fault(sentence: str) -> Callable[[type[Cut]], type[Cut]]:
    """Enter a faulty runtime."""

    def enter(cls: type[Cut]) -> type[Cut]:
        FAULTS[sentence] = cls
        return cls

    return enter


@fault("list leaks the containers of other installations")
class _ShowsAll(Cut):
    async def list(self, installation: str) -> AsyncIterator[Observed]:
        self.answers()
        for folder in sorted(self._root.iterdir()):
            yield await self.inspect(str(folder))


@fault("list shows running containers only")
class _ShowsRunning(Cut):
    async def list(self, installation: str) -> AsyncIterator[Observed]:
        async for seen in super().list(installation):
            if seen.status is Status.RUNNING:
                yield seen


@fault("removing the absent raises")
class _Strict(Cut):
    async def remove(self, ref: str) -> None:
        await self.inspect(ref)
        await super().remove(ref)


@fault("removing leaves the processes")
class _Leaving(Cut):
    async def remove(self, ref: str) -> None:
        self.answers()
        await asyncio.to_thread(shutil.rmtree, ref, ignore_errors=True)


@fault("removing leaves the container")
class _Keeping(Cut):
    async def remove(self, ref: str) -> None:
        self.answers()
        await self.stop(ref, grace_s=1.0)


@fault("starting a running container fails")
class _Once(Cut):
    async def start(self, ref: str) -> None:
        if (await self.inspect(ref)).status is Status.RUNNING:
            raise Conflict("it runs already")
        await super().start(ref)


@fault("starting again begins with an empty workspace")
class _Fresh(Cut):
    async def start(self, ref: str) -> None:
        if (await self.inspect(ref)).status is Status.EXITED:
            await asyncio.to_thread(shutil.rmtree, Path(ref) / "workspace")
            await asyncio.to_thread((Path(ref) / "workspace").mkdir)
        await super().start(ref)


@fault("an absent container is shown as one that has ended")
class _Ghost(Cut):
    async def inspect(self, ref: str) -> Observed:
        try:
            return await super().inspect(ref)
        except ContainerNotFound:
            return Observed(ref=ref, container_id=Path(ref).name, status=Status.EXITED)


@fault("silence is taken for gone")
class _Silent(Cut):
    async def inspect(self, ref: str) -> Observed:
        try:
            return await super().inspect(ref)
        except EngineUnreachable as error:
            raise ContainerNotFound("no answer, so it is not there") from error


@fault("an engine that does not answer has no containers")
class _Empty(Cut):
    async def list(self, installation: str) -> AsyncIterator[Observed]:
        if self.lost:
            return
        async for seen in super().list(installation):
            yield seen


@fault("a container that has ended is shown as running")
class _Undead(Cut):
    async def inspect(self, ref: str) -> Observed:
        seen = await super().inspect(ref)
        return attrs.evolve(seen, status=Status.RUNNING) if seen.status is Status.EXITED else seen


@fault("an exit code is off by one")
class _OffByOne(Cut):
    async def inspect(self, ref: str) -> Observed:
        seen = await super().inspect(ref)
        return seen if seen.exit_code is None else attrs.evolve(seen, exit_code=seen.exit_code + 1)


@fault("what is not known of an exit is called zero")
class _Optimist(Cut):
    async def inspect(self, ref: str) -> Observed:
        seen = await super().inspect(ref)
        return attrs.evolve(seen, exit_code=0) if seen.status is Status.EXITED else seen


@fault("times are without a zone")
class _Naive(Cut):
    async def inspect(self, ref: str) -> Observed:
        seen = await super().inspect(ref)
        return attrs.evolve(seen, started_at=seen.started_at and seen.started_at.replace(tzinfo=None))


@fault("only the labels that devbench needs are kept")
class _Unlabelled(Cut):
    async def create(self, request: CreateRequest) -> str:
        kept = {name: text for name, text in request.labels.items() if name.startswith("dev.devbench.")}
        return await super().create(attrs.evolve(request, labels=kept))


@fault("the environment is not given")
class _Bare(Cut):
    async def create(self, request: CreateRequest) -> str:
        return await super().create(attrs.evolve(request, env={"PATH": os.defpath}))


@fault("a second container for one id takes the first one's place")
class _Replacing(Cut):
    async def create(self, request: CreateRequest) -> str:
        try:
            return await super().create(request)
        except Conflict:
            return str(self._root / request.container_id)


@fault("a container runs as soon as it is made")
class _Eager(Cut):
    async def create(self, request: CreateRequest) -> str:
        ref = await super().create(request)
        await self.start(ref)
        return ref


@fault("a stop kills at once")
class _Hasty(Cut):
    async def stop(self, ref: str, *, grace_s: float) -> None:
        pid = _pid_of(ref)
        if pid:
            os.kill(pid, signal.SIGKILL)
        await super().stop(ref, grace_s=grace_s)


@fault("a stop never kills")
class _Mild(Cut):
    async def stop(self, ref: str, *, grace_s: float) -> None:
        pid = _pid_of(ref)
        if pid:
            os.kill(pid, signal.SIGTERM)


@fault("stopping the absent raises")
class _StrictStop(Cut):
    async def stop(self, ref: str, *, grace_s: float) -> None:
        await self.inspect(ref)
        await super().stop(ref, grace_s=grace_s)


@fault("the containers end with their host")
class _Frail(Cut):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for folder in root.glob("*"):
            shutil.rmtree(folder, ignore_errors=True)


@fault("each stream loses its first eight bytes")
class _Losing(Cut):
    async def connect(self, ref: str) -> ByteStream:
        return _Shorter(await super().connect(ref))


@fault("bytes come twice")
class _Repeating(Cut):
    async def connect(self, ref: str) -> ByteStream:
        return _Twice(await super().connect(ref))


@fault("all streams are one")
class _Single(Cut):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._streams: dict[str, ByteStream] = {}

    async def connect(self, ref: str) -> ByteStream:
        if ref not in self._streams:
            self._streams[ref] = await super().connect(ref)
        return self._streams[ref]


@fault("a stream swallows all it is given without waiting")
class _Swallowing(Cut):
    async def connect(self, ref: str) -> ByteStream:
        return _Endless(await super().connect(ref))


@fault("a container that has ended is said not to be reachable for now")
class _Hopeful(Cut):
    async def connect(self, ref: str) -> ByteStream:
        try:
            return await super().connect(ref)
        except ContainerExited as error:
            raise AgentUnavailable("try again") from error


@fault("an image that is not there is an engine's failure")
class _NoImage(Cut):
    async def resolve_image(self, name: str) -> Image:
        try:
            return await super().resolve_image(name)
        except ImageNotFound as error:
            raise EngineFailed(error.message) from error


@fault("any name is an image")
class _AnyImage(Cut):
    async def resolve_image(self, name: str) -> Image:
        return attrs.evolve(await super().resolve_image("host"), name=name)


@fault("it claims a clause that nobody declared")
class _Boasting(Cut):
    @property
    def capabilities(self) -> Capabilities:
        return attrs.evolve(super().capabilities, enforces=frozenset({Clause.MEMORY}))


@fault("a clause that is not enforced is not explained")
class _Wordless(Cut):
    @property
    def capabilities(self) -> Capabilities:
        return attrs.evolve(super().capabilities, reasons={})


@fault("a ping tells nothing")
class _Nameless(Cut):
    async def ping(self) -> EngineInfo:
        return EngineInfo(name="", version="")


class _Through:
    """A stream that passes everything on."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def read(self) -> bytes:
        return await self._stream.read()

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def close(self) -> None:
        await self._stream.close()


class _Shorter(_Through):
    _left = 8

    async def read(self) -> bytes:
        data = await self._stream.read()
        while data and len(data) <= self._left:
            self._left -= len(data)
            data = await self._stream.read()
        data, self._left = data[self._left :], 0
        return data


class _Twice(_Through):
    _again = b""

    async def read(self) -> bytes:
        if self._again:
            again, self._again = self._again, b""
            return again
        self._again = await self._stream.read()
        return self._again


class _Endless(_Through):
    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream)
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._sender = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        while True:
            await self._stream.write(await self._queue.get())

    async def write(self, data: bytes) -> None:
        self._queue.put_nowait(data)

    async def close(self) -> None:
        self._sender.cancel()
        await super().close()


def _pid_of(ref: str) -> int:
    try:
        return int((Path(ref) / "pid.json").read_text().partition('"pid": ')[2].partition(",")[0] or 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0
