"""The whole configuration as one model; the reference page is generated from it."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from devbench_core.channel.settings import ChannelLimits
from devbench_core.config.policy import PolicySettings
from devbench_core.config.sections import Section
from devbench_core.execs.settings import ExecLimits
from devbench_core.files.settings import FileLimits
from devbench_core.forwarding.settings import ForwardingLimits
from devbench_core.images.settings import ImageSettings
from devbench_core.json_types import JsonValue
from devbench_core.pools.settings import PoolSettings
from devbench_core.shells.settings import ShellLimits

AUTO = "auto"
HEARTBEATS_MIN = 2
"""That a host may miss before the others take it for dead."""


def default_state_dir() -> Path:
    """Return the user's state folder for devbench (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "devbench"


def default_cache_dir() -> Path:
    """Return the user's cache folder for devbench (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "devbench"


class ContainerLimits(BaseModel):
    """Bounds of the container operations."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    spawn_timeout_s: float = Field(
        default=120.0, gt=0, le=3600, description="How long a spawn may take, pulling excluded."
    )
    pull_timeout_s: float = Field(default=1800.0, gt=0, description="How long a pull may take.")
    kill_timeout_s: float = Field(default=30.0, gt=0, le=600, description="How long a kill may take.")
    idempotency_ttl_s: float = Field(
        default=86400.0, gt=0, description="How long an idempotency key of a spawn is remembered."
    )
    binding_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="How long a host remembers which container a name means without asking the store.",
    )
    per_tenant_max: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="How many living containers a tenant may have, on all hosts together; null for no limit. Those "
        "that wait in a pool are nobody's.",
    )
    page_max: int = Field(default=1000, ge=1, le=1000, description="The largest page of a listing.")
    env_max_bytes: int = Field(default=131072, ge=0, description="Size of a container's own environment.")
    labels_max: int = Field(default=64, ge=0, description="How many labels a container may have.")


class Lifetimes(BaseModel):
    """Ends of containers, and how long their records are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    check_interval_s: float = Field(
        default=5.0, gt=0, le=3600, description="How often lifetimes, idle times and exits are checked."
    )
    default_ttl_s: float | None = Field(
        default=None, gt=0, description="Time to live of a container whose spawn names none; null for no end."
    )
    max_ttl_s: float | None = Field(
        default=None, gt=0, description="The longest time to live that a caller may ask for."
    )
    default_idle_timeout_s: float | None = Field(
        default=None, gt=0, description="Idle timeout of a container whose spawn names none; null for none."
    )
    ended_retention_s: float = Field(
        default=7 * 86400.0, ge=0, description="How long the record of an ended container is kept."
    )
    orphan_grace_s: float = Field(
        default=300.0,
        ge=0,
        description="How long a container that has this installation's label and no record stays on the engine, from "
        "when it was first seen: a store that was restored may get its record back. None with the store `memory`.",
    )
    leader_ttl_s: float = Field(
        default=15.0,
        ge=0.5,
        le=3600,
        description="Of several hosts one enforces lifetimes and removes what is old; after so long without a sign of "
        "it another one does.",
    )
    hand_over: bool = Field(
        default=False,
        description="Whether a host that shuts down leaves its containers to another one that lives, rather than kill "
        "those that are not persistent: for hosts behind one address.",
    )
    sweep_batch: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Old records of one kind that are looked at, and containers that are forgotten, in one round.",
    )


class Startup(BaseModel):
    """What happens while the doors are still closed."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    engine_wait_s: float = Field(
        default=15.0, ge=0, le=3600, description="How long start-up waits for an engine that does not answer."
    )
    engine_silent: Literal["degrade", "fail"] = Field(
        default="degrade",
        description="What follows when it still does not answer: serve with every container unknown, or stop.",
    )
    heartbeat_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="How often a host says in the store that it lives, and looks for those that do not.",
    )
    dead_after_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="Silence after which the others take a host for dead, and take over "
        "what it was responsible for; at least two heartbeats.",
    )

    @model_validator(mode="after")
    def _hosts_that_beat_live(self) -> Self:
        if self.dead_after_s < HEARTBEATS_MIN * self.heartbeat_s:
            raise ValueError(
                f"startup.dead_after_s must be at least {HEARTBEATS_MIN} times startup.heartbeat_s, "
                "or hosts that live are taken for dead"
            )
        return self


class Settings(BaseModel):
    """devbench's configuration. Variables ``DEVBENCH_…`` win over the file; nesting is written ``__``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    plugins: list[str] | None = Field(
        default=None,
        description="Names of the plugins to load; when absent, the installed ones that are devbench's own. What "
        "others made runs only when it is named here.",
    )
    runtime: str = Field(
        default=AUTO,
        description="The runtime; `auto` takes docker, podman or bubblewrap: the first that answers.",
    )
    store: str = Field(
        default=AUTO, description="The state store; `auto` takes sql when installed, else memory."
    )
    lock: str = Field(default="local", description="The lock.")
    scanners: list[str] = Field(
        default_factory=list[str],
        description="Image scanners that are opened, for programs and tools to ask (`bench.scanners`); no spawn does.",
    )
    state_dir: Path = Field(
        default_factory=default_state_dir,
        description="Folder of lasting state (XDG state folder by default).",
    )
    cache_dir: Path = Field(
        default_factory=default_cache_dir, description="Folder of what can be made again (XDG cache folder)."
    )
    installation: str = Field(
        default="",
        pattern=r"^[a-z0-9_]{0,40}$",
        description="Identity on the engine; containers of others are never touched. Made once when empty.",
    )
    containers: Annotated[ContainerLimits, Section(ContainerLimits)] = Field(
        default_factory=ContainerLimits.model_construct, description="Bounds of container operations."
    )
    policy: Annotated[PolicySettings, Section(PolicySettings)] = Field(
        default_factory=PolicySettings.model_construct, description="Isolation, and who may loosen it."
    )
    execs: Annotated[ExecLimits, Section(ExecLimits)] = Field(
        default_factory=ExecLimits.model_construct, description="Bounds of commands and their output."
    )
    shells: Annotated[ShellLimits, Section(ShellLimits)] = Field(
        default_factory=ShellLimits.model_construct, description="Bounds of persistent shells."
    )
    files: Annotated[FileLimits, Section(FileLimits)] = Field(
        default_factory=FileLimits.model_construct, description="Bounds of file operations."
    )
    channel: Annotated[ChannelLimits, Section(ChannelLimits)] = Field(
        default_factory=ChannelLimits.model_construct, description="Bounds of the channel to the agent."
    )
    images: Annotated[ImageSettings, Section(ImageSettings)] = Field(
        default_factory=ImageSettings.model_construct, description="Which images, and from where."
    )
    lifetimes: Annotated[Lifetimes, Section(Lifetimes)] = Field(
        default_factory=Lifetimes.model_construct, description="Ends of containers and of records."
    )
    pools: Annotated[PoolSettings, Section(PoolSettings)] = Field(
        default_factory=PoolSettings.model_construct, description="Containers made before they are asked for."
    )
    startup: Annotated[Startup, Section(Startup)] = Field(
        default_factory=Startup.model_construct, description="Start of a host."
    )
    forwarding: Annotated[ForwardingLimits, Section(ForwardingLimits)] = Field(
        default_factory=ForwardingLimits.model_construct,
        description="Calls that one host hands to another, which alone can serve them.",
    )
    mcp: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue], description="Settings of the MCP and HTTP host, checked by it."
    )
    plugin: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict[str, dict[str, JsonValue]],
        description="One table a plugin, checked by that plugin's own model.",
    )
