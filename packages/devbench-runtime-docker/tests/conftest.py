"""Fixtures for Docker alone."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path, PurePosixPath

import pytest

import devbench_agent
from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_CONTAINER, LABEL_INSTALLATION, AgentProgram, CreateRequest
from devbench_core.model.policy import Policy
from devbench_runtime_docker.engine import Engine, connected
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings

Requests = Callable[..., Awaitable[CreateRequest]]


@pytest.fixture
def settings(docker_host: str) -> DockerSettings:
    """The test engine."""
    return DockerSettings(host=docker_host, prepared_workspaces=2)


@pytest.fixture
def context(tmp_path: Path) -> OpenContext:
    """A fresh installation."""
    return OpenContext(
        installation=f"i_{secrets.token_hex(6)}", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock()
    )


@pytest.fixture
async def engine(settings: DockerSettings) -> AsyncGenerator[Engine]:
    """A bare client."""
    async with connected(settings) as client:
        await client.negotiate()
        yield client


@pytest.fixture
async def runtime(settings: DockerSettings, context: OpenContext) -> AsyncGenerator[DockerRuntime]:
    """An open runtime; its containers are removed after the test."""
    async with opened(settings, context) as docker:
        yield docker
        for seen in [each async for each in docker.list(context.installation)]:
            await docker.remove(seen.ref)


@pytest.fixture
def agent() -> AgentProgram:
    """The agent that devbench ships."""
    name = devbench_agent.native()
    return AgentProgram(path=Path(devbench_agent.binary(name)), digest=devbench_agent.digest(name))


@pytest.fixture
def wanted(
    runtime: DockerRuntime, context: OpenContext, agent: AgentProgram, docker_image: Callable[[str], str]
) -> Requests:
    """Give a request: ``await wanted("busybox", policy=…, agent=…)``."""
    usual = agent

    async def make(
        image: str = "busybox", *, policy: Policy | None = None, agent: AgentProgram = usual
    ) -> CreateRequest:
        name = f"c_{secrets.token_hex(8)}"
        reference = docker_image(image) if "/" not in image else image
        return CreateRequest(
            container_id=name,
            installation=context.installation,
            image=await runtime.resolve_image(reference),
            agent=agent,
            env={},
            working_dir=PurePosixPath("/workspace"),
            policy=policy or Policy(),
            labels={LABEL_INSTALLATION: context.installation, LABEL_CONTAINER: name},
        )

    return make
