"""The tools for containers: their inputs and outputs, and the handlers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from devbench_core.containers.requests import PolicyRequest, SpawnRequest
from devbench_core.errors import ContainerNotFound, EngineUnreachable
from devbench_core.model.container import Container, Status
from devbench_core.model.execution import ExecState
from devbench_core.model.policy import EXEC_USERS_MAX, Network, Policy
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import ContainerArgument, Input
from devbench_core.tools.exec_views import ExecView
from devbench_core.tools.progress import pull_progress
from devbench_core.tools.views import ContainerView, ObservedView, View


class PolicyInput(BaseModel):
    """Differences from the operator's isolation; what is left out keeps the default."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)

    read_only_root: bool | None = Field(
        default=None, description="Only the workspace and /tmp can be written; hardened default: true."
    )
    capabilities: list[str] | None = Field(
        default=None, description="Linux capabilities kept, without CAP_; hardened default: none."
    )
    no_new_privileges: bool | None = Field(
        default=None, description="No program gains a privilege by being executed; hardened default: true."
    )
    seccomp: bool | None = Field(
        default=None, description="The runtime's system call filter is on; hardened default: true."
    )
    memory_bytes: int | None = Field(
        default=None, description="Bound of memory in bytes, up to the operator's maximum."
    )
    cpus: float | None = Field(default=None, description="Bound of processor time in cores, for example 2.")
    pids: int | None = Field(default=None, description="Bound of the number of processes.")
    network: Literal["none", "engine"] | None = Field(
        default=None,
        description="none: no network at all (default); engine: what the engine gives, where allowed.",
    )
    user: str | None = Field(
        default=None, description="Numeric uid or uid:gid of all commands; empty for the default."
    )
    tmpfs_bytes: int | None = Field(default=None, description="Size of /tmp in bytes.")
    exec_users: list[str] | None = Field(
        default=None,
        max_length=EXEC_USERS_MAX,
        description="Other users that single commands may run as with `user`: numeric uid or uid:gid; default: none.",
    )

    def request(self) -> PolicyRequest:
        """Return it as core's value."""
        return PolicyRequest(
            read_only_root=self.read_only_root,
            capabilities=None if self.capabilities is None else tuple(self.capabilities),
            no_new_privileges=self.no_new_privileges,
            seccomp=self.seccomp,
            memory_bytes=self.memory_bytes,
            cpus=self.cpus,
            pids=self.pids,
            network=None if self.network is None else Network(self.network),
            user=self.user,
            tmpfs_bytes=self.tmpfs_bytes,
            exec_users=None if self.exec_users is None else tuple(self.exec_users),
        )


class SpawnInput(Input):
    """Arguments of `spawn`."""

    image: str = Field(
        default="",
        max_length=512,
        description="Image name or alias, see `images`; empty for the configured default.",
    )
    alias: str | None = Field(
        default=None,
        max_length=63,
        description=(
            "A name to use instead of the id: a-z, 0-9, '.', '_', '-'; unique among living containers and "
            "free again after its end."
        ),
    )
    env: dict[str, str] = Field(
        default_factory=dict[str, str], description="Environment variables of all its commands."
    )
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="Pairs to find it by with list_containers."
    )
    policy: PolicyInput = Field(
        default_factory=PolicyInput,
        description="Differences from the default isolation; loosening needs the operator's word.",
    )
    persistent: bool = Field(default=False, description="Whether it outlives a shutdown of the host.")
    ttl_s: float | None = Field(default=None, gt=0, description="Kill it so many seconds after its creation.")
    idle_timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="Kill it after so many seconds without any call and any running command.",
    )
    run_entrypoint: bool = Field(
        default=False, description="Run the image's own entry point as the first command."
    )
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description=(
            "Any unique text. A repeat with the same key within a day gives the same container and "
            "`replayed: true`, so a spawn whose answer was lost can be repeated safely."
        ),
    )


class SpawnOutput(ToolOutput):
    """Result of `spawn`."""

    container: ContainerView = Field(description="The container, ready for commands.")
    replayed: bool = Field(description="Whether an earlier call with the same key had made it.")


class AttachInput(Input):
    """Arguments of `attach`."""

    container: ContainerArgument
    client: str = Field(
        default="agent",
        min_length=1,
        max_length=100,
        description="Who you are: a stable name of the program.",
    )
    session: str = Field(
        default="", max_length=100, description="Which of your sessions; empty when you have one."
    )


class AttachOutput(ToolOutput):
    """Result of `attach`."""

    container: ContainerView = Field(description="The container as it is now.")
    execs: list[ExecView] = Field(description="Its commands that have not ended; follow them with exec_poll.")
    workspace: str = Field(description="Root of its files.")


class KillInput(Input):
    """Arguments of `kill`."""

    container: ContainerArgument


class KillOutput(ToolOutput):
    """Result of `kill`."""

    container: ContainerView = Field(
        description="The ended container with its ending; only this record is left."
    )


class InspectInput(Input):
    """Arguments of `inspect`."""

    container: ContainerArgument


class PolicyView(View):
    """The isolation that a container has."""

    read_only_root: bool = Field(description="Only the workspace and /tmp can be written.")
    capabilities: list[str] = Field(description="Linux capabilities kept, without CAP_.")
    no_new_privileges: bool = Field(description="No program gains a privilege by being executed.")
    seccomp: bool = Field(description="The runtime's system call filter is on.")
    memory_bytes: int | None = Field(default=None, description="Bound of memory; absent for none.")
    cpus: float | None = Field(default=None, description="Bound of processor time in cores; absent for none.")
    pids: int | None = Field(default=None, description="Bound of the number of processes; absent for none.")
    network: str = Field(description="none or engine.")
    user: str = Field(description="uid or uid:gid of all commands; empty for the runtime's ordinary user.")
    tmpfs_bytes: int = Field(description="Size of /tmp.")
    exec_users: list[str] = Field(description="Other users, uid:gid, that single commands may run as.")

    @classmethod
    def of(cls, policy: Policy) -> PolicyView:
        """Return the view of a policy."""
        return cls(
            read_only_root=policy.read_only_root,
            capabilities=list(policy.capabilities),
            no_new_privileges=policy.no_new_privileges,
            seccomp=policy.seccomp,
            memory_bytes=policy.memory_bytes,
            cpus=policy.cpus,
            pids=policy.pids,
            network=policy.network,
            user=policy.user,
            tmpfs_bytes=policy.tmpfs_bytes,
            exec_users=list(policy.exec_users),
        )


class InspectOutput(ToolOutput):
    """Result of `inspect`."""

    container: ContainerView = Field(description="The record, with the ending when it has ended.")
    policy: PolicyView = Field(description="Its isolation.")
    env_names: list[str] = Field(description="Names of its own environment variables; values are not shown.")
    image_id: str = Field(default="", description="The engine's id of the image that it was made from.")
    observed: ObservedView | None = Field(
        default=None,
        description="What the engine shows now; absent when it does not answer or the container is gone.",
    )
    execs: list[ExecView] = Field(description="Its commands that have not ended.")


async def spawn(context: ToolContext, given: SpawnInput) -> SpawnOutput:
    """Make a container."""
    request = SpawnRequest(
        image=given.image,
        alias=given.alias,
        env=given.env,
        labels=given.labels,
        policy=given.policy.request(),
        persistent=given.persistent,
        ttl_s=given.ttl_s,
        idle_timeout_s=given.idle_timeout_s,
        run_entrypoint=given.run_entrypoint,
        idempotency_key=given.idempotency_key,
    )
    spawned = await context.bench.containers.spawn(
        request, caller=context.caller, progress=pull_progress(context.progress)
    )
    return SpawnOutput(container=ContainerView.of(spawned.container), replayed=spawned.replayed)


async def attach(context: ToolContext, given: AttachInput) -> AttachOutput:
    """Record interest and say what is needed to go on."""
    attached = await context.bench.containers.attach(
        given.container, client=given.client, session=given.session, caller=context.caller
    )
    return AttachOutput(
        container=ContainerView.of(attached.container),
        execs=[ExecView.of(record) for record in attached.execs],
        workspace=str(attached.workspace),
    )


async def kill(context: ToolContext, given: KillInput) -> KillOutput:
    """End a container."""
    ended = await context.bench.containers.kill(given.container, caller=context.caller)
    return KillOutput(container=ContainerView.of(ended))


async def inspect(context: ToolContext, given: InspectInput) -> InspectOutput:
    """Show all there is to know of a container."""
    found = await context.bench.containers.inspect(given.container, caller=context.caller)
    running: list[ExecView] = []
    if found.ending is None:
        records = await context.bench.execs.list(found.id, caller=context.caller)
        running = [ExecView.of(record) for record in records if record.state is not ExecState.ENDED]
    return InspectOutput(
        container=ContainerView.of(found),
        policy=PolicyView.of(found.spec.policy),
        env_names=sorted(found.spec.env),
        image_id=found.image_id,
        observed=await _observed(context, found),
        execs=running,
    )


async def _observed(context: ToolContext, container: Container) -> ObservedView | None:
    runtime = context.bench.runtime
    if not container.ref or container.status is Status.GONE or container.runtime != runtime.name:
        return None
    try:
        return ObservedView.of(await runtime.inspect(container.ref))
    except (ContainerNotFound, EngineUnreachable):
        return None
