"""Shells of both kinds, on a real agent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import attrs
import pytest

from devbench_core.model.execution import StreamName
from devbench_core.model.shell import Shell, ShellKind, ShellRun
from devbench_core.shells.settings import ShellLimits
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, open_host

QUICK = ShellLimits(interrupt_grace_s=0.3, open_timeout_s=10.0)
WAIT_S = 20.0


@attrs.frozen(kw_only=True)
class Ran:
    """What came of a run."""

    run: ShellRun
    out: bytes
    err: bytes


@attrs.frozen(kw_only=True, eq=False)
class User:
    """Somebody with an open shell."""

    host: Host
    shell: Shell

    async def run(self, script: str, *, timeout_s: float = 30.0, interactive: bool = False) -> Ran:
        """Run a script to its end."""
        begun = await self.host.shells.run(
            self.shell.id, script, timeout_s=timeout_s, interactive=interactive
        )
        return await self.rest(begun)

    async def rest(self, run: ShellRun) -> Ran:
        """Follow a run to its end."""
        got = {StreamName.STDOUT: b"", StreamName.STDERR: b""}
        cursor = run.after
        while True:
            page = await self.host.shells.poll(self.shell.id, after=cursor, run=run.number, wait_s=WAIT_S)
            for chunk in page.chunks:
                got[chunk.stream] += chunk.data
            cursor = page.cursor
            if page.complete:
                assert page.run is not None
                return Ran(run=page.run, out=got[StreamName.STDOUT], err=got[StreamName.STDERR])
            assert page.chunks, "nothing came in time"

    async def again(self) -> Shell:
        """Return the shell's record as it is now."""
        return await self.host.shells.get(self.shell.id)


@pytest.fixture
async def shell_host(local_agent: LocalAgent) -> AsyncGenerator[Host]:
    """A host that is quick to lose patience."""
    async with open_host(local_agent.connect, local_agent.token, shell_limits=QUICK) as opened:
        yield opened


@pytest.fixture(params=[ShellKind.BASH, ShellKind.SH])
async def user(shell_host: Host, request: pytest.FixtureRequest) -> User:
    """A user of bash, and one of sh (dash)."""
    return User(host=shell_host, shell=await shell_host.shells.open(CONTAINER_ID, kind=request.param))
