"""The agent as a local process, and as PID 1 of a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import devbench_agent
from agent_wire import Channel, connect

TOKEN = bytes(range(32))
DEADLINE_S = 20.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: builds something or runs for many seconds")


def wait_until(condition: Callable[[], object], what: str, within_s: float = DEADLINE_S) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.005)


@dataclass
class Agent:
    process: subprocess.Popen[bytes]
    pid: int
    socket: Path
    workspace: Path

    def connect(self, *, auto_ack: bool = True) -> Channel:
        """A channel that got HELLO."""
        channel = connect(self.socket)
        channel.auto_ack = auto_ack
        channel.hello()
        return channel

    def host(self, *, takeover: bool = False, auto_ack: bool = True) -> Channel:
        """An authenticated channel."""
        channel = self.connect(auto_ack=auto_ack)
        channel.auth(TOKEN, claim=not channel.claimed, takeover=takeover)
        return channel

    def rss_bytes(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


StartAgent = Callable[..., Agent]


@pytest.fixture(scope="session")
def binary() -> Path:
    """The program under test: the package's own, or an instrumented build of the same sources."""
    other = os.environ.get("DEVBENCH_AGENT_TEST_BINARY")
    return Path(other) if other else devbench_agent.binary()


@pytest.fixture(scope="session")
def instrumented() -> bool:
    return "DEVBENCH_AGENT_TEST_BINARY" in os.environ


@pytest.fixture
def start_agent(binary: Path, tmp_path: Path) -> Iterator[StartAgent]:
    started: list[Agent] = []

    def start(*options: str, pid1: bool = False, name: str = "agent") -> Agent:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        workspace = tmp_path / "workspace"
        workspace.mkdir(exist_ok=True)
        socket = folder / "a.sock"
        as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        prefix = ["unshare", *as_user, "--pid", "--fork", "--kill-child", "--mount-proc"] if pid1 else []
        process = subprocess.Popen(
            [*prefix, str(binary), "--socket", str(socket), "--workspace", str(workspace), *options],
            stdin=subprocess.DEVNULL,
            cwd=workspace,
        )
        wait_until(socket.exists, "the agent's socket")
        pid = process.pid
        if pid1:
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        agent = Agent(process, pid, socket, workspace)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.process.terminate() if agent.pid == agent.process.pid else agent.process.kill()
        agent.process.wait(DEADLINE_S)


@pytest.fixture
def agent(start_agent: StartAgent) -> Agent:
    return start_agent()


@pytest.fixture
def host(agent: Agent) -> Iterator[Channel]:
    with agent.host() as channel:
        yield channel
