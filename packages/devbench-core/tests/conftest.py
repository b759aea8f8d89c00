"""Fixtures that core's own tests share."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from harness.agent_host import Host, LocalAgent, open_host, running_agent


@pytest.fixture
def local_agent(tmp_path: Path) -> Generator[LocalAgent]:
    """A real agent as a local process."""
    with running_agent(tmp_path) as agent:
        yield agent


@pytest.fixture
async def host(local_agent: LocalAgent) -> AsyncGenerator[Host]:
    """A host with an in-memory store on that agent."""
    async with open_host(local_agent.connect, local_agent.token) as opened:
        yield opened
