"""The agent as a local process, and as PID 1 of a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import devbench_agent
from agent_process import DEADLINE_S, Agent, StartAgent, wait_until
from agent_wire import Channel


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: builds something or runs for many seconds")


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

    def start(
        *options: str,
        pid1: bool = False,
        pts: bool = True,
        name: str = "agent",
        within: Sequence[str] = (),
    ) -> Agent:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        workspace = tmp_path / "workspace"
        workspace.mkdir(exist_ok=True)
        socket = folder / "a.sock"
        as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        prefix = ["unshare", *as_user, "--pid", "--fork", "--kill-child", "--mount-proc"] if pid1 else []
        if not pts:
            hide = 'mount -t tmpfs none /dev/pts && exec "$@"'
            prefix = ["unshare", *as_user, "--mount", "sh", "-c", hide, "sh"]
        process = subprocess.Popen(
            [*within, *prefix, str(binary), "--socket", str(socket), "--workspace", str(workspace), *options],
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
