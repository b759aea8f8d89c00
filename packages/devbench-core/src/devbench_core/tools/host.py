"""The tools about the host itself: images and status."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import PackageNotFoundError, version

from pydantic import Field

from devbench_core.errors import DevbenchError
from devbench_core.model.policy import Clause
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import BASE64_MAX_BYTES, TEXT_MAX_BYTES, WAIT_MAX_S, Input
from devbench_core.tools.image_views import ImageView
from devbench_core.tools.views import View

IMAGES_MAX = 200
PING_TIMEOUT_S = 5.0
COUNT_MAX = 200
"""Living containers are counted up to here."""


class ImagesInput(Input):
    """Arguments of `images`."""

    contains: str = Field(
        default="", max_length=200, description="Only images whose name contains this text."
    )
    limit: int = Field(default=50, ge=1, le=IMAGES_MAX, description="The most images to return.")


class ImagesOutput(ToolOutput):
    """Result of `images`."""

    images: list[ImageView] = Field(description="Images that are here and allowed, sorted by name.")
    truncated: bool = Field(description="Whether there are more; narrow `contains` or raise `limit`.")
    default: str = Field(
        default="", description="The image of a spawn that names none; empty for the runtime's own."
    )
    aliases: dict[str, str] = Field(description="Short names that spawn knows, and what they stand for.")


class StatusInput(Input):
    """`status` has no arguments."""


class AbsentClauseView(View):
    """A promise of a policy that this host cannot keep."""

    clause: str = Field(description="Name of the clause.")
    reason: str = Field(description="Why, and what would change it.")
    tolerated: bool = Field(description="Whether a spawn goes on without it; otherwise it is refused.")


class RuntimeView(View):
    """What runs containers here."""

    name: str = Field(description="For example docker or bubblewrap.")
    answers: bool = Field(description="Whether its engine answers now.")
    engine: str = Field(default="", description="Name of the engine, when it answers.")
    engine_version: str = Field(default="", description="Version of the engine, when it answers.")
    problem: str = Field(default="", description="What went wrong, when it does not answer.")
    architectures: list[str] = Field(description="What its containers can run: amd64, arm64.")
    enforces: list[str] = Field(description="Policy clauses that hold in every container.")
    absent: list[AbsentClauseView] = Field(description="Policy clauses that cannot be enforced here.")


class LimitsView(View):
    """Bounds that a caller meets."""

    spawn_timeout_s: float = Field(description="How long a spawn may take.")
    concurrent_execs_per_container: int = Field(description="How many commands run in a container at once.")
    exec_default_timeout_s: float | None = Field(
        default=None, description="Time limit of a command that names none."
    )
    exec_max_timeout_s: float = Field(description="The longest time limit of a command.")
    stdin_max_bytes: int = Field(description="Size of the input of a command.")
    wait_max_s: float = Field(description="The longest wait of one call.")
    text_max_bytes: int = Field(description="The most bytes that one result holds as text.")
    base64_max_bytes: int = Field(description="The most bytes that one result holds as base64.")
    write_max_bytes: int = Field(description="The largest file that fs_write takes.")
    max_ttl_s: float | None = Field(
        default=None, description="The longest time to live; absent for no bound."
    )


class PluginView(View):
    """A plugin that is loaded."""

    name: str = Field(description="Its name.")
    distribution: str = Field(description="The package that it comes from.")
    version: str = Field(description="The package's version.")


class CountsView(View):
    """How much there is now."""

    containers: int = Field(description=f"Your living containers, counted up to {COUNT_MAX}.")
    execs_running: int = Field(description="Commands that run on this host now.")


class StatusOutput(ToolOutput):
    """Result of `status`."""

    version: str = Field(description="devbench's version.")
    agent_version: str = Field(default="", description="Version of the agent that new containers get.")
    python: str = Field(description="The host's Python.")
    installation: str = Field(description="This installation's identity.")
    instance: str = Field(description="This host's id.")
    runtime: RuntimeView = Field(description="What runs containers, and what it enforces.")
    store: str = Field(description="Name of the state store.")
    limits: LimitsView = Field(description="Bounds that you meet.")
    plugins: list[PluginView] = Field(description="What is loaded, built-ins included.")
    tools: list[str] = Field(description="Names of all tools, those of plugins included.")
    scopes: list[str] = Field(description="What you may do here: read, exec, write, manage.")
    counts: CountsView = Field(description="Your containers, and commands that run.")


async def images(context: ToolContext, given: ImagesInput) -> ImagesOutput:
    """List images."""
    found = await context.bench.images.list(caller=context.caller)
    wanted = sorted((image for image in found if given.contains in image.name), key=lambda image: image.name)
    settings = context.bench.settings.images
    return ImagesOutput(
        images=[ImageView.of(image) for image in wanted[: given.limit]],
        truncated=len(wanted) > given.limit,
        default=settings.default,
        aliases=settings.aliases,
    )


async def status(context: ToolContext, given: StatusInput) -> StatusOutput:
    """Say what this host is and can."""
    _ = given
    bench = context.bench
    runtime, living = await asyncio.gather(
        _runtime(context), bench.containers.list(limit=COUNT_MAX, caller=context.caller)
    )
    return StatusOutput(
        version=_version("devbench-core"),
        agent_version=_version("devbench-agent"),
        python=platform.python_version(),
        installation=bench.installation,
        instance=bench.instance,
        runtime=runtime,
        store=bench.composition.store.provider.name,
        limits=_limits(context),
        plugins=[
            PluginView(name=source.name, distribution=source.distribution, version=source.version)
            for source in bench.composition.plugins
        ],
        tools=sorted(bench.tools),
        scopes=sorted(context.caller.scopes),
        counts=CountsView(containers=len(living.containers), execs_running=context.bench.execs.running_here),
    )


async def _runtime(context: ToolContext) -> RuntimeView:
    runtime = context.bench.runtime
    capabilities = runtime.capabilities
    tolerated = set(context.bench.settings.policy.tolerate_absent)
    engine = engine_version = problem = ""
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            info = await runtime.ping()
        engine, engine_version = info.name, info.version
    except DevbenchError as error:
        problem = error.message
    except TimeoutError:
        problem = f"no answer within {PING_TIMEOUT_S:g} s"
    return RuntimeView(
        name=runtime.name,
        answers=not problem,
        engine=engine,
        engine_version=engine_version,
        problem=problem,
        architectures=list(capabilities.architectures),
        enforces=sorted(capabilities.enforces),
        absent=[
            AbsentClauseView(
                clause=clause,
                reason=capabilities.reasons.get(clause, "not supported"),
                tolerated=clause in tolerated,
            )
            for clause in sorted(set(Clause) - capabilities.enforces)
        ],
    )


def _limits(context: ToolContext) -> LimitsView:
    settings = context.bench.settings
    return LimitsView(
        spawn_timeout_s=settings.containers.spawn_timeout_s,
        concurrent_execs_per_container=settings.execs.concurrent_per_container,
        exec_default_timeout_s=settings.execs.default_timeout_s,
        exec_max_timeout_s=settings.execs.max_timeout_s,
        stdin_max_bytes=settings.execs.stdin_max_bytes,
        wait_max_s=min(WAIT_MAX_S, settings.execs.poll_max_wait_s),
        text_max_bytes=TEXT_MAX_BYTES,
        base64_max_bytes=min(BASE64_MAX_BYTES, settings.files.read_max_bytes),
        write_max_bytes=settings.files.write_max_bytes,
        max_ttl_s=settings.lifetimes.max_ttl_s,
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
