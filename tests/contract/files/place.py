"""A folder of a container's workspace, and working with files in it through the Python API."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import attrs
import pytest

from devbench_core.bench import Bench
from devbench_core.errors import DevbenchError
from devbench_core.files import Files
from devbench_core.model.execution import Exec, ExecReason, ExecRequest

WAIT_S = 60.0
Error = TypeVar("Error", bound=DevbenchError)


@attrs.frozen(kw_only=True)
class Place:
    """A folder of its own for one case, so that cases share a container.

    Attributes:
        bench: The host.
        container: Its id.
        runtime: Which runtime it is on.
        image: ``debian``, ``busybox``, ``empty``, or the machine itself.
        folder: Relative to the workspace.
    """

    bench: Bench
    container: str
    runtime: str
    image: str
    folder: str

    @property
    def files(self) -> Files:
        """The operations."""
        return self.bench.files

    def at(self, name: str) -> str:
        """Return the path of something in the folder."""
        return f"{self.folder}/{name}"

    async def write(self, name: str, data: bytes = b"", **more: Any) -> str:
        """Write a file and return its etag."""
        written = await self.files.write(self.container, self.at(name), data, parents=True, **more)
        return written.info.etag

    async def data(self, name: str) -> bytes:
        """Return what is in a file."""
        return (await self.files.read(self.container, self.at(name))).data

    async def names(self, name: str = ".") -> list[str]:
        """Return what is in a folder."""
        listing = await self.files.list(self.container, self.at(name))
        return [info.path.name for info in listing.entries]

    async def start_shell(self, script: str) -> Exec:
        """Start a shell's script in the folder; an image may have no shell."""
        request = ExecRequest(argv=("sh", "-c", script), cwd=PurePosixPath(self.folder))
        return await self.bench.execs.start(self.container, request)

    async def ended_well(self, command: Exec) -> bool:
        """Wait for the end of a script; False when there is no shell."""
        record = await self.bench.execs.wait(command.id, wait_s=WAIT_S)
        assert record.ending is not None, "the script did not end"
        if self.image == "empty":
            assert record.ending.reason is ExecReason.FAILED_TO_START
            return False
        assert record.ending.exit_code == 0, record.ending
        return True

    async def refused(self, kind: type[Error], call: Awaitable[object]) -> Error:
        """Await something that must fail in one way, and return the error."""
        with pytest.raises(kind) as error:
            await call
        return error.value


def seen_from_outside(marker: str) -> Path:
    """Return a container's workspace as root of this machine sees it: by a process that sees a file in it."""
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - a folder of the kernel
        workspace = Path(f"/proc/{pid}/root/workspace")
        try:
            if (workspace / marker).exists():
                return workspace
        except OSError:
            continue
    raise AssertionError("no process sees the container's workspace")
