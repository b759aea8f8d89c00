"""A host on an agent that lives as long as a module's tests, with each way of resolving paths."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from harness.agent_host import open_host, running_agent
from harness.file_bench import WAYS, Bench


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(WAYS))
async def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Bench]:
    """A host whose agent resolves by the kernel, and one whose agent does it component by component."""
    with running_agent(tmp_path_factory.mktemp("agent"), *WAYS[request.param]) as agent:
        async with open_host(agent.connect, agent.token) as host:
            yield Bench(files=host.files, workspace=agent.workspace)
