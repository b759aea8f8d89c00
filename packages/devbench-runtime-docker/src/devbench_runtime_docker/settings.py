"""The table ``[plugin.docker]``."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class DockerSettings(BaseModel):
    """Which engine, and how long to wait for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str | None = Field(
        default=None,
        description="Address of the engine: `unix:///run/docker.sock` or `tcp://host:2376`. When absent: `context`, "
        "then `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context of the Docker client, and its usual sockets.",
    )
    context: str | None = Field(
        default=None, description="Name of a Docker context to take the address from."
    )
    tls_ca: Path | None = Field(
        default=None, description="Certificates that the engine's own is checked against."
    )
    tls_cert: Path | None = Field(default=None, description="Our certificate, for engines that ask for one.")
    tls_key: Path | None = Field(default=None, description="The key of `tls_cert`.")
    tls_verify: bool = Field(
        default=True, description="Whether the engine's certificate is checked where TLS is used by `host`."
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0, le=600, description="How long opening a connection to the engine may take."
    )
    ping_timeout_s: float = Field(
        default=2.0, gt=0, le=60, description="How long the engine may take to say that it is there."
    )
    request_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="How long the engine may take for a call that starts nothing.",
    )
    start_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="How long the engine may take to create or start a container.",
    )
    remove_timeout_s: float = Field(
        default=60.0, gt=0, le=3600, description="How long the engine may take to end and remove a container."
    )
    direct: bool = Field(
        default=True,
        description="Whether agents are reached by their own sockets where this process may (as root, on the engine's "
        "machine), which is faster than through the engine.",
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
        description="How long at most until the removal of a volume or a helper container that the engine did not "
        "confirm is tried again.",
    )
    prepared_workspaces: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Empty workspace volumes made ahead at once, so that spawning does not wait for one.",
    )
    prepared_max_age_s: float = Field(
        default=900.0, gt=0, le=1800, description="A volume made ahead and unused for so long is replaced."
    )
    calls_at_once: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="Calls to the engine under way at once; others wait their turn.",
    )
