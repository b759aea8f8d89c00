"""A folder of a container's workspace, and working with files in it through the Python API."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from devbench_core.bench import Bench
from devbench_core.errors import DevbenchError
from devbench_core.files import Files
from devbench_core.model.execution import Exec, ExecReason, ExecRequest
from devbench_core.testing.kit.host_lab import WAIT_S, Lab
from devbench_core.testing.kit.host_opening import WithHost
from devbench_core.values import frozen

Error = TypeVar("Error", bound=DevbenchError)


@frozen
class Place:
    """A folder of its own for one case, so that cases share a container.

    Attributes:
        lab: The container.
        folder: Relative to the workspace.
    """

    lab: Lab
    folder: str

    @property
    def bench(self) -> Bench:
        """The host."""
        return self.lab.bench

    @property
    def container(self) -> str:
        """The container's id."""
        return self.lab.container

    @property
    def files(self) -> Files:
        """The operations."""
        return self.lab.files

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
        if not self.lab.has_shell:
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
        for workspace in (Path(f"/proc/{pid}/root/workspace"), Path(f"/proc/{pid}/cwd")):
            try:
                if (workspace / marker).exists():
                    return workspace
            except OSError:
                continue
    raise AssertionError("no process sees the container's workspace")


async def workspace_from_outside(lab: Lab) -> Path:
    """Return a container's workspace as root of this machine sees it; skips where nobody is root."""
    if os.geteuid() != 0:
        pytest.skip("only root of this machine sees a container's files from outside")
    marker = f"marker-{secrets.token_hex(8)}"
    await lab.files.write(lab.container, marker, b"")
    seen = await asyncio.to_thread(seen_from_outside, marker)
    await lab.files.delete(lab.container, marker)
    return seen


class WithPlace(WithHost):
    """Tests that have a folder each."""

    @pytest_asyncio.fixture(loop_scope="class")
    async def place(self, lab: Lab) -> Place:
        """Give a folder of its own in the container."""
        return Place(lab=lab, folder=await lab.folder())

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def workspace_outside(cls, lab: Lab) -> Path:
        """Give the workspace as root of this machine sees it, for tests that need `Trait.SEEN_PROCESSES`."""
        return await workspace_from_outside(lab)

    @pytest.fixture
    def outside(self, place: Place, workspace_outside: Path) -> Path:
        """Give the case's folder as root of this machine sees it."""
        return workspace_outside / place.folder
