"""Fixtures for Podman alone."""

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
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.engine import Engine, connected
from devbench_runtime_podman.opening import opened
from devbench_runtime_podman.runtime import PodmanRuntime
from devbench_runtime_podman.settings import PodmanSettings

Requests = Callable[..., Awaitable[CreateRequest]]


@pytest.fixture
def settings(podman_host: str) -> PodmanSettings:
    """The test service."""
    return PodmanSettings(host=podman_host)


@pytest.fixture
def context(tmp_path: Path) -> OpenContext:
    """A fresh installation."""
    return OpenContext(
        installation=f"i_{secrets.token_hex(6)}", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock()
    )


@pytest.fixture
async def engine(settings: PodmanSettings) -> AsyncGenerator[Engine]:
    """A bare client."""
    async with connected(settings) as client:
        yield client


@pytest.fixture
def calls(engine: Engine) -> PodmanCalls:
    """The same, as all engines are asked."""
    return PodmanCalls(engine)


@pytest.fixture
async def runtime(settings: PodmanSettings, context: OpenContext) -> AsyncGenerator[PodmanRuntime]:
    """An open runtime; its containers are removed after the test."""
    async with opened(settings, context) as podman:
        yield podman
        for seen in [each async for each in podman.list(context.installation)]:
            await podman.remove(seen.ref)


@pytest.fixture
def agent() -> AgentProgram:
    """The agent that devbench ships."""
    name = devbench_agent.native()
    return AgentProgram(path=Path(devbench_agent.binary(name)), digest=devbench_agent.digest(name))


@pytest.fixture
def wanted(
    runtime: PodmanRuntime, context: OpenContext, agent: AgentProgram, podman_image: Callable[[str], str]
) -> Requests:
    """Give a request: ``await wanted("busybox", policy=…, agent=…)``."""
    usual = agent

    async def make(
        image: str = "busybox", *, policy: Policy | None = None, agent: AgentProgram = usual
    ) -> CreateRequest:
        name = f"c_{secrets.token_hex(8)}"
        reference = podman_image(image) if "/" not in image else image
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
