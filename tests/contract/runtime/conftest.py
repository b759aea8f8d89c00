"""Every test of this folder runs on every runtime; what is engine specific stands in the table below."""

import asyncio
import hashlib
import secrets
import subprocess
from collections.abc import AsyncGenerator, Callable
from pathlib import Path, PurePosixPath

import pytest

import devbench_agent
from contract.runtime.bubblewrap_engine import BUBBLEWRAP
from contract.runtime.docker_engine import DOCKER
from contract.runtime.enginetable import EngineUnderTest, Places
from contract.runtime.fixtures import GetImage, Live, OpenRuntime, Requests
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
from devbench_core.model.policy import Clause, Policy

ENGINES = {"docker": DOCKER, "bubblewrap": BUBBLEWRAP}
CLEAN_UP_TIMEOUT_S = 60
COMPILE_TIMEOUT_S = 60


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> EngineUnderTest:
    """The runtime under test."""
    return ENGINES[request.param]


@pytest.fixture
def places(request: pytest.FixtureRequest, rootfs_tar: Callable[[str], Path]) -> Places:
    """Where the engines find things; asking for Docker starts nothing that others need."""
    return Places(docker_host=lambda: request.getfixturevalue("docker_host"), rootfs_tar=rootfs_tar)


@pytest.fixture(scope="session")
def kept_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder for the whole run, so that an imported image is imported once."""
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture
def context(kept_images: Path) -> OpenContext:
    """A fresh installation."""
    return OpenContext(
        installation=f"i_{secrets.token_hex(6)}",
        state_dir=kept_images,
        cache_dir=kept_images / "cache",
        clock=SystemClock(),
    )


@pytest.fixture
def open_runtime(engine: EngineUnderTest, places: Places) -> OpenRuntime:
    """Give a function that opens the runtime, as one life of a host does."""
    settings = engine.settings(places)
    return lambda context: engine.provider.open(settings, context)


@pytest.fixture
async def runtime(
    engine: EngineUnderTest, places: Places, context: OpenContext, open_runtime: OpenRuntime
) -> AsyncGenerator[Runtime]:
    """An open runtime; after the test everything is removed, and nothing may be left."""
    async with open_runtime(context) as opened:
        yield opened
        async with asyncio.timeout(CLEAN_UP_TIMEOUT_S):
            for seen in [each async for each in opened.list(context.installation)]:
                await opened.remove(seen.ref)
    assert await engine.leftovers(context, places) == []


@pytest.fixture
def image(engine: EngineUnderTest, places: Places, runtime: Runtime) -> GetImage:
    """Give a test image: ``await image("busybox")``."""
    return lambda name: engine.image(runtime, name, places)


@pytest.fixture(scope="session")
def agent() -> AgentProgram:
    """The agent that devbench ships."""
    name = devbench_agent.native()
    return AgentProgram(path=Path(devbench_agent.binary(name)), digest=devbench_agent.digest(name))


@pytest.fixture(scope="session")
def ending_agent(tmp_path_factory: pytest.TempPathFactory) -> AgentProgram:
    """A stand-in for the agent that ends when it is told to, in ways that the real one never does."""
    binary = tmp_path_factory.mktemp("agent") / "agent"
    source = Path(__file__).parent / "testagent.c"
    subprocess.run(
        ["gcc", "-static", "-Os", "-o", str(binary), str(source)], check=True, timeout=COMPILE_TIMEOUT_S
    )
    return AgentProgram(path=binary, digest=hashlib.sha256(binary.read_bytes()).hexdigest())


@pytest.fixture
def policy(runtime: Runtime) -> Policy:
    """The default policy, as far as this runtime enforces it here."""
    enforced = runtime.capabilities.enforces
    return Policy(
        memory_bytes=Policy().memory_bytes if Clause.MEMORY in enforced else None,
        cpus=Policy().cpus if Clause.CPU in enforced else None,
        pids=Policy().pids if Clause.PIDS in enforced else None,
    )


@pytest.fixture
def wanted(image: GetImage, context: OpenContext, agent: AgentProgram, policy: Policy) -> Requests:
    """Give a request: ``await wanted(image_name="busybox", policy=…, agent=…, env=…)``."""
    usual_agent, usual_policy = agent, policy

    async def make(
        image_name: str = "busybox",
        *,
        policy: Policy = usual_policy,
        agent: AgentProgram = usual_agent,
        env: dict[str, str] | None = None,
        working_dir: PurePosixPath = WORKSPACE,
        installation: str = context.installation,
    ) -> CreateRequest:
        found = await image(image_name)
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
def live(runtime: Runtime) -> Live:
    """Give a function that makes a container and opens a channel to its agent."""
    return Live(runtime)
