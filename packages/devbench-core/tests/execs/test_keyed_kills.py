"""A host that is killed at any step of a start with a key leaves a command that runs once."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from devbench_core.model.execution import ExecReason, ExecRequest
from harness.agent_host import CONTAINER_ID, LocalAgent, open_host
from harness.file_store import FileStore

ONCE = ExecRequest(argv=("sh", "-c", "echo ran >> count; sleep 0.2; echo done"))
STEPS = ("before claim", "after claim", "before write", "after write", "after start", "after end")
NEVER_SENT = {"before claim", "after claim", "before write"}

HOST_PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from devbench_core.channel.unix import open_unix
from devbench_core.contracts.store import Put
from devbench_core.idempotency import KIND
from devbench_core.model.execution import ExecRequest
from harness.agent_host import CONTAINER_ID, open_host
from harness.file_store import FileStore

step, socket, token, file, *argv = sys.argv[1:]
claimed = False

def die(here):
    if here == step:
        os.kill(os.getpid(), signal.SIGKILL)

class Store(FileStore):
    async def apply(self, *changes):
        global claimed
        claims = any(isinstance(change, Put) and change.kind == KIND for change in changes)
        if claims:
            die("before claim")
        done = await super().apply(*changes)
        if claims:
            claimed = True
            die("after claim")
        return done

class Stream:
    def __init__(self, inner):
        self.read, self.close, self.inner = inner.read, inner.close, inner
    async def write(self, data):
        if claimed:
            die("before write")
        await self.inner.write(data)
        if claimed:
            die("after write")

async def connect():
    return Stream(await open_unix(Path(socket)))

async def main():
    store = await Store.from_file(Path(file))
    async with open_host(connect, bytes.fromhex(token), store=store, instance="i_killed") as host:
        request = ExecRequest(argv=tuple(argv))
        started = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
        die("after start")
        await host.execs.wait(started.id, wait_s=10)
        die("after end")

asyncio.run(main())
"""


def kill_a_host(step: str, agent: LocalAgent, file: Path) -> int:
    words = [sys.executable, "-c", HOST_PROGRAM, step, str(agent.socket), agent.token.hex(), str(file)]
    env = {"PYTHONPATH": str(Path(__file__).parents[4] / "tests"), "PATH": "/usr/bin:/bin"}
    return subprocess.run([*words, *ONCE.argv], env=env, timeout=60, check=False).returncode


@pytest.mark.parametrize("reconciled", [False, True], ids=["repeated", "reconciled"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_host_killed_at_any_step_of_a_start_leaves_a_command_that_runs_once(
    local_agent: LocalAgent, tmp_path: Path, step: str, reconciled: bool
):
    file = tmp_path / "changes"
    assert await asyncio.to_thread(kill_a_host, step, local_agent, file) == -signal.SIGKILL
    store = await FileStore.from_file(file)
    async with open_host(
        local_agent.connect, local_agent.token, claim=False, store=store, instance="i_next"
    ) as host:
        host.dead.add("i_killed")
        host.container = attrs.evolve(host.container, instance="i_next")
        if reconciled:
            await host.execs.recover(host.container)
        started = await asyncio.gather(
            *(host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k") for _ in range(5))
        )
        assert len({each.id for each in started}) == 1
        if step in NEVER_SENT:
            assert not started[0].replayed
        if step in {"after start", "after end"}:
            assert all(each.replayed for each in started)
        ended = await host.execs.wait(started[0].id, wait_s=10)
        assert ended.ending is not None
        assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0)
        page = await host.execs.poll(ended.id)
        assert b"".join(chunk.data for chunk in page.chunks) == b"done\n"
        assert (local_agent.workspace / "count").read_text() == "ran\n"
        await host.execs.recover(host.container)
        channel = await host.link.channel()
        async with asyncio.timeout(10):
            while await channel.list_execs():
                await asyncio.sleep(0.01)
