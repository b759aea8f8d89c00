"""What a runtime's tests give the kit, and what the kit makes of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePosixPath

import pytest
import pytest_asyncio

import devbench_agent
from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import (
    LABEL_CONTAINER,
    LABEL_INSTALLATION,
    AgentProgram,
    CreateRequest,
    Runtime,
)
from devbench_core.model.container import WORKSPACE
from devbench_core.model.image import Image
from devbench_core.model.policy import Policy
from devbench_core.testing.kit.claims import Claims
from devbench_core.testing.kit.held import HeldToClaims
from devbench_core.testing.kit.standin import standin_for_the_agent
from devbench_core.testing.living import Live, Requests

__all__ = ["GetImage", "Leftovers", "OpenRuntime", "WithRuntime"]

OpenRuntime = Callable[[OpenContext], AbstractAsyncContextManager[Runtime]]
"""Opens the runtime as one life of a host does; several may be open at once."""
GetImage = Callable[[Runtime], Awaitable[Image]]
"""Gives an image that this open runtime has."""
Leftovers = Callable[[OpenContext], Awaitable[list[str]]]
"""Names everything of an installation that is still there once the runtime was closed."""

CLEAN_UP_TIMEOUT_S = 60


class WithRuntime(HeldToClaims):
    """Tests of an open runtime. Needs ``open_runtime``, ``claims`` and ``image``; the next fixtures may be given."""

    @pytest.fixture
    def bare_image(self) -> GetImage | None:
        """May give an image that is one static file, ``/busybox``."""
        return None

    @pytest.fixture
    def python_image(self) -> GetImage | None:
        """May give an image of a distribution that has ``python3``."""
        return None

    @pytest.fixture
    def absent_image(self) -> str:
        """May give a name that this runtime's images never have."""
        return "docker.io/devbench-kit/never-was:latest"

    @pytest.fixture
    def other_user(self) -> str | None:
        """May give the ``uid:gid`` that a container can be told to run as; None where that cannot be chosen."""
        return "4321:8765"

    @pytest.fixture
    def open_cut_off(self) -> OpenRuntime | None:
        """May open the runtime and then take its engine away; None where there is no engine to lose."""
        return None

    @pytest.fixture
    def leftovers(self, open_runtime: OpenRuntime) -> Leftovers:
        """May look at the engine itself; by default `Runtime.list` is believed."""

        async def listed(context: OpenContext) -> list[str]:
            async with open_runtime(context) as runtime:
                return [seen.ref async for seen in runtime.list(context.installation)]

        return listed

    @pytest.fixture
    def context(self, tmp_path: Path) -> OpenContext:
        """Give a fresh installation."""
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        return OpenContext(
            installation=f"i_{secrets.token_hex(6)}",
            state_dir=state,
            cache_dir=tmp_path / "cache",
            clock=SystemClock(),
        )

    @pytest_asyncio.fixture
    async def runtime(
        self, open_runtime: OpenRuntime, context: OpenContext, leftovers: Leftovers
    ) -> AsyncGenerator[Runtime]:
        """Give an open runtime; after the test everything is removed, and nothing may be left."""
        async with open_runtime(context) as opened:
            yield opened
            async with asyncio.timeout(CLEAN_UP_TIMEOUT_S):
                for seen in [each async for each in opened.list(context.installation)]:
                    await opened.remove(seen.ref)
        assert await leftovers(context) == [], (
            "removing what `list` shows must leave nothing (Runtime.remove)"
        )

    @pytest.fixture
    def agent(self) -> AgentProgram:
        """Give the agent that devbench ships."""
        name = devbench_agent.native()
        return AgentProgram(path=Path(devbench_agent.binary(name)), digest=devbench_agent.digest(name))

    @pytest.fixture(scope="class")
    @classmethod
    def standin(cls, tmp_path_factory: pytest.TempPathFactory) -> AgentProgram:
        """Give the stand-in for the agent that ends when it is told to."""
        return standin_for_the_agent(tmp_path_factory.mktemp("standin"))

    @pytest.fixture
    def policy(self, claims: Claims) -> Policy:
        """Give the default policy, as far as this runtime enforces it."""
        return claims.policy()

    @pytest.fixture
    def wanted(
        self, runtime: Runtime, image: GetImage, context: OpenContext, agent: AgentProgram, policy: Policy
    ) -> Requests:
        """Give a function that makes requests, with another policy, agent or image when that is wanted."""
        usual_image, usual_agent, usual_policy = image, agent, policy

        async def make(
            image: GetImage = usual_image,
            *,
            policy: Policy = usual_policy,
            agent: AgentProgram = usual_agent,
            env: dict[str, str] | None = None,
            working_dir: PurePosixPath = WORKSPACE,
            installation: str = context.installation,
        ) -> CreateRequest:
            found = await image(runtime)
            name = f"c_{secrets.token_hex(8)}"
            return CreateRequest(
                container_id=name,
                installation=installation,
                image=found,
                agent=agent,
                env={**found.env, **(env or {})},
                working_dir=working_dir,
                policy=policy,
                labels={LABEL_INSTALLATION: installation, LABEL_CONTAINER: name, "team": "x"},
            )

        return make

    @pytest.fixture
    def live(self, runtime: Runtime) -> Live:
        """Give a function that makes a container and opens a channel to its agent."""
        return Live(runtime)
