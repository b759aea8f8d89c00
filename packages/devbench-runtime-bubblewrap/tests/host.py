"""A host of its own, for tests that kill it: starts one container, says its name, and waits.

Arguments: the folder, the state folder, the installation, the container's id, and what to do:
``wait``: wait to be killed; ``die-before-letting-go``: kill itself when bwrap waits to be let go.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path, PurePosixPath

import attrs

import devbench_agent
from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import AgentProgram, CreateRequest
from devbench_core.model.policy import Policy
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.settings import BubblewrapSettings


def die(self: ControlGroups, name: str, pid: int) -> None:
    """Die as hard as a process can."""
    _ = self, name, pid
    os.kill(os.getpid(), signal.SIGKILL)


async def main(folder: Path, state: Path, installation: str, name: str, what: str) -> None:
    """Be the host."""
    if what == "die-before-letting-go":
        ControlGroups.add = die
    context = OpenContext(installation=installation, state_dir=state, cache_dir=state, clock=SystemClock())
    async with open_bubblewrap(BubblewrapSettings(folder=folder), context) as runtime:
        machine = devbench_agent.native()
        agent = AgentProgram(path=Path(devbench_agent.binary(machine)), digest=devbench_agent.digest(machine))
        image = await runtime.resolve_image("host")
        policy = attrs.evolve(Policy(), memory_bytes=None, cpus=None, pids=None)
        request = CreateRequest(
            container_id=name,
            installation=installation,
            image=image,
            agent=agent,
            env=image.env,
            working_dir=PurePosixPath("/workspace"),
            policy=policy,
            labels={"kind": "adopted"},
        )
        ref = await runtime.create(request)
        await runtime.start(ref)
        sys.stdout.write(f"{ref}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
