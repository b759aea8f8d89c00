"""A runtime on the machine's own bwrap, and containers on it."""

import hashlib
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path, PurePosixPath

import pytest

import devbench_agent
from contract.runtime.bubblewrap_engine import FOLDER
from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import (
    LABEL_CONTAINER,
    LABEL_INSTALLATION,
    AgentProgram,
    CreateRequest,
)
from devbench_core.model.container import WORKSPACE
from devbench_core.model.image import Image
from devbench_core.model.policy import Clause, Policy
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

COMPILE_TIMEOUT_S = 60


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder of this test's own that everybody may pass."""
    made = Path(tempfile.mkdtemp(prefix="devbench-bubblewrap-", dir="/var/tmp"))
    made.chmod(0o711)
    kept = FOLDER / "etc"
    kept.mkdir(parents=True, exist_ok=True)
    (made / "etc").symlink_to(kept)  # the copy of /etc is the same for all tests, and takes a moment to make
    yield made
    shutil.rmtree(made)


@pytest.fixture
def context(tmp_path: Path) -> OpenContext:
    """A fresh installation."""
    return OpenContext(
        installation=f"i_{secrets.token_hex(6)}",
        state_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        clock=SystemClock(),
    )


@pytest.fixture
def settings(folder: Path) -> BubblewrapSettings:
    """Containers in the test's own folder, images where all tests share them."""
    return BubblewrapSettings(folder=folder, images_folder=FOLDER / "images")


@pytest.fixture
async def runtime(settings: BubblewrapSettings, context: OpenContext) -> AsyncGenerator[BubblewrapRuntime]:
    """An open runtime; its containers are removed after the test."""
    async with open_bubblewrap(settings, context) as opened:
        yield opened
        for seen in [each async for each in opened.list(context.installation)]:
            await opened.remove(seen.ref)
        assert opened.groups.names() == set()


@pytest.fixture
def live(runtime: BubblewrapRuntime) -> Live:
    """Makes containers and opens channels to them."""
    return Live(runtime)


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> AgentProgram:
    """The agent that devbench ships, as it is now: who works on it may build it anew while these tests run."""
    path = tmp_path_factory.mktemp("agent") / "devbench-agent"
    shutil.copy(devbench_agent.binary(devbench_agent.native()), path)
    return AgentProgram(path=path, digest=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def policy(runtime: BubblewrapRuntime) -> Policy:
    """The default policy, as far as it is enforced for this user."""
    enforced = runtime.capabilities.enforces
    return Policy(
        memory_bytes=Policy().memory_bytes if Clause.MEMORY in enforced else None,
        cpus=Policy().cpus if Clause.CPU in enforced else None,
        pids=Policy().pids if Clause.PIDS in enforced else None,
    )


@pytest.fixture
async def debian(runtime: BubblewrapRuntime, rootfs_tar: Callable[[str], Path]) -> Image:
    """Debian with Python, imported once for all tests."""
    tar = rootfs_tar("debian")
    if tar.stem not in {image.name for image in await runtime.images()}:
        await runtime.import_image(tar.stem, tar)
    return await runtime.resolve_image(tar.stem)


@pytest.fixture
async def wanted(
    runtime: BubblewrapRuntime, context: OpenContext, agent: AgentProgram, policy: Policy
) -> Requests:
    """Give a request, by default for the image ``host``."""
    host, usual_policy = await runtime.resolve_image("host"), policy

    async def make(
        image: Image = host, *, policy: Policy = usual_policy, env: dict[str, str] | None = None
    ) -> CreateRequest:
        name = f"c_{secrets.token_hex(8)}"
        return CreateRequest(
            container_id=name,
            installation=context.installation,
            image=image,
            agent=agent,
            env={**image.env, **(env or {})},
            working_dir=PurePosixPath(WORKSPACE),
            policy=policy,
            labels={LABEL_INSTALLATION: context.installation, LABEL_CONTAINER: name},
        )

    return make


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a C program of this folder, statically: ``compiled("calls")``."""
    made = tmp_path_factory.mktemp("compiled")

    def compile_(name: str) -> Path:
        target, source = made / name, Path(__file__).parent / f"{name}.c"
        if not target.exists():
            command = ["gcc", "-static", "-O1", "-Wall", "-o", str(target), str(source)]
            subprocess.run(command, check=True, timeout=COMPILE_TIMEOUT_S)
        return target

    return compile_


@pytest.fixture
def put(runtime: BubblewrapRuntime) -> Callable[[str, Path], str]:
    """Put a program into a container's workspace: ``put(ref, program)`` gives its path there."""

    def put_(ref: str, program: Path) -> str:
        target = runtime.folders.container(ref).workspace / program.name
        shutil.copy(program, target)
        target.chmod(0o755)
        return f"{WORKSPACE}/{program.name}"

    return put_
