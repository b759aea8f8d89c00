"""The table ``[plugin.podman]``."""

from pydantic import BaseModel, ConfigDict, Field


class PodmanSettings(BaseModel):
    """Which service, and how long to wait for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str | None = Field(
        default=None,
        description="Address of the service's socket: `unix:///run/podman/podman.sock`. When absent: `connection`, "
        "then `CONTAINER_HOST`, `CONTAINER_CONNECTION`, the default connection, and the usual sockets.",
    )
    connection: str | None = Field(
        default=None, description="Name of a connection of `podman system connection list` to take it from."
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0, le=600, description="How long opening a connection to the service may take."
    )
    ping_timeout_s: float = Field(
        default=2.0, gt=0, le=60, description="How long the service may take to say that it is there."
    )
    request_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="How long the service may take for a call that starts nothing.",
    )
    start_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="How long the service may take to create or start a container.",
    )
    remove_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="How long the service may take to end and remove a container.",
    )
    direct: bool = Field(
        default=True,
        description="Whether agents are reached by their own sockets where this process may (as root, on the "
        "service's machine), which is faster than through the service.",
    )
    agent_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="How long the agent in a container may take for its first bytes.",
    )
    agent_stash_s: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="How long the stream that was opened with a container is kept for its first user.",
    )
    fill_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="How long putting the agent on the engine may take, also when another host is at it.",
    )
    pull_stall_timeout_s: float = Field(
        default=120.0, gt=0, le=3600, description="How long a pull may make no progress at all."
    )
    sweep_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long start-up and closing spend on removing leftovers."
    )
    removal_retry_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="How long at most until the removal of a volume or a helper container that the service did not "
        "confirm is tried again.",
    )
    calls_at_once: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Calls to the service under way at once, each in a thread; others wait their turn.",
    )
    pulls_at_once: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Pulls under way at once, each in a thread; others wait their turn.",
    )
    open_files: int | None = Field(
        default=None,
        ge=64,
        le=1_048_576,
        description="How many files a process in a container may open. When absent: Podman's own default, or what the "
        "service itself may open where it has no right to give more.",
    )
    user_processes: int | None = Field(
        default=None,
        ge=64,
        le=4_194_304,
        description="How many processes a user of the containers may have on this machine, all containers together. "
        "When absent: as with `open_files`.",
    )
