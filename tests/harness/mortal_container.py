"""A real container of a runtime, killed from outside, and its workspace as root sees it after that."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import attrs

import devbench_agent
from devbench_core.contracts.runtime import (
    LABEL_CONTAINER,
    LABEL_INSTALLATION,
    AgentProgram,
    CreateRequest,
    Runtime,
)
from devbench_core.contracts.stream import ByteStream
from devbench_core.model.container import WORKSPACE, Status
from devbench_core.model.image import Image
from devbench_core.model.policy import Clause, Policy

MARK = "DEVBENCH_TEST_MARK"
DEATH_S = 20.0
CHECK_S = 0.005


@attrs.frozen(kw_only=True)
class MortalContainer:
    """A running container that no host looks after.

    Attributes:
        runtime: What made it.
        ref: Its engine's name for it.
        pid: Its PID 1, as this machine counts.
        workspace: Its workspace, also after its death.
        token: What a host claims its agent with.
    """

    runtime: Runtime
    ref: str
    pid: int
    workspace: Path
    token: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), repr=False)

    async def connect(self) -> ByteStream:
        """Open a stream to its agent."""
        return await self.runtime.connect(self.ref)

    async def kill(self) -> None:
        """Kill PID 1, and with it all of the container, and wait until its engine knows.

        An engine learns of a death a moment after the kernel; until then a start of it says that it runs.
        """
        os.kill(self.pid, signal.SIGKILL)
        async with asyncio.timeout(DEATH_S):
            while (await self.runtime.inspect(self.ref)).status is Status.RUNNING:
                await asyncio.sleep(CHECK_S)


async def create(runtime: Runtime, image: Image) -> tuple[str, str]:
    """Make a container; return its ref, and the mark by which its PID 1 is known."""
    name = devbench_agent.native()
    mark, container = secrets.token_hex(12), f"c_{secrets.token_hex(8)}"
    enforced, usual = runtime.capabilities.enforces, Policy()
    installation = f"i_{secrets.token_hex(6)}"
    request = CreateRequest(
        container_id=container,
        installation=installation,
        image=image,
        agent=AgentProgram(path=Path(devbench_agent.binary(name)), digest=devbench_agent.digest(name)),
        env={**image.env, MARK: mark},
        working_dir=PurePosixPath(WORKSPACE),
        policy=attrs.evolve(
            usual,
            memory_bytes=usual.memory_bytes if Clause.MEMORY in enforced else None,
            cpus=usual.cpus if Clause.CPU in enforced else None,
            pids=usual.pids if Clause.PIDS in enforced else None,
        ),
        labels={LABEL_INSTALLATION: installation, LABEL_CONTAINER: container},
    )
    return await runtime.create(request), mark


@asynccontextmanager
async def started(runtime: Runtime, ref: str, mark: str) -> AsyncGenerator[MortalContainer]:
    """Start a container, also one that died where the runtime can, and see its workspace while the block lasts."""
    await runtime.start(ref)
    async with asyncio.timeout(DEATH_S):
        while (pid := first_process(mark)) is None:
            await asyncio.sleep(CHECK_S)
    workspace = os.open(f"/proc/{pid}/root{WORKSPACE}", os.O_PATH | os.O_DIRECTORY)
    try:
        yield MortalContainer(
            runtime=runtime, ref=ref, pid=pid, workspace=Path(f"/proc/{os.getpid()}/fd/{workspace}")
        )
    finally:
        os.close(workspace)


def first_process(mark: str) -> int | None:
    """Return the agent that runs with a mark in its environment, None before it does."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            agent = (entry / "comm").read_text(encoding="utf-8") == "devbench-agent\n"
            if agent and mark.encode() in (entry / "environ").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    return None
