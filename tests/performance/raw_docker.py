"""What a program does that uses Docker directly: the measure of everything else."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Sequence
from typing import Any

import aiodocker
from aiodocker.containers import DockerContainer

from performance.nothing import NAME as NOTHING

HARDENED: dict[str, Any] = {
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "Memory": 512 * 2**20,
    "PidsLimit": 256,
    "NanoCpus": 10**9,
    "NetworkMode": "none",
    "Tmpfs": {"/tmp": "size=67108864"},
}


class RawDocker:
    """Raw calls on one engine and image."""

    def __init__(
        self, client: aiodocker.Docker, image: str, *, ulimits: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._client = client
        self._ulimits = list(ulimits)
        self._image = image
        self.container: DockerContainer | None = None
        self._volume = ""

    async def spawn(self) -> None:
        """Create and start a container as hardened as devbench's."""
        self._volume = f"raw-{uuid.uuid4().hex[:12]}"
        config = {
            "Image": self._image,
            "Cmd": ["sleep", "100000"],
            "HostConfig": {**HARDENED, "Binds": [f"{self._volume}:/workspace"], "Ulimits": self._ulimits},
            "WorkingDir": "/workspace",
        }
        self.container = await self._client.containers.create(config)
        await self.container.start()  # pyright: ignore[reportUnknownMemberType] - aiodocker leaves its keywords open

    async def kill(self) -> None:
        """Remove it by force, with its volume."""
        if self.container is not None:
            await self.container.delete(force=True, v=True)
            volume = aiodocker.docker.DockerVolume(self._client, self._volume)
            await volume.delete()
            self.container = None

    async def true(self) -> None:
        """Run a trivial command to its exit code."""
        await self.run("true")

    async def nothing(self) -> None:
        """Run the empty program to its exit code."""
        await self.run(f"/workspace/{NOTHING}")

    async def put_nothing(self, program: bytes) -> None:
        """Bring the empty program in."""
        await self.write(NOTHING, program, mode=0o755)

    async def run(self, program: str) -> None:
        """Run a program to its exit code, which must be 0: create, start, read, inspect."""
        execution = await self.spawned().exec([program], stdin=False)
        async with execution.start(detach=False) as stream:
            while await stream.read_out() is not None:
                pass
        while (ended := await execution.inspect())["Running"]:
            pass
        if ended["ExitCode"] != 0:
            raise AssertionError(ended)

    async def output(self, argv: tuple[str, ...]) -> int:
        """Run a command to its exit code, reading its output; return how many bytes that was."""
        execution = await self.spawned().exec(list(argv), stdin=False)
        seen = 0
        async with execution.start(detach=False) as stream:
            while (message := await stream.read_out()) is not None:
                seen += len(message.data)
        while (await execution.inspect())["Running"]:
            pass
        return seen

    async def read(self, name: str, size: int) -> None:
        """Get a file as an archive."""
        archive = await self.spawned().get_archive(f"/workspace/{name}")
        member = archive.extractfile(name)
        if member is None or len(member.read()) != size:
            raise AssertionError(name)

    async def write(self, name: str, data: bytes, *, mode: int = 0o644) -> None:
        """Put a file as an archive."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
        await self.spawned().put_archive("/workspace", buffer.getvalue())  # pyright: ignore[reportUnknownMemberType]

    def spawned(self) -> DockerContainer:
        if self.container is None:
            raise AssertionError("spawn first")
        return self.container
