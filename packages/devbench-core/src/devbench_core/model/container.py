"""A container: what is wanted (spec), what is recorded (container), what the engine shows (observed)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath

import attrs

from devbench_core.model.policy import Policy
from devbench_core.values import frozen

__all__ = ["WORKSPACE", "Container", "ContainerEnding", "ContainerSpec", "EndReason", "Observed", "Status"]

WORKSPACE = PurePosixPath("/workspace")
"""Where every container has its workspace, whatever the runtime."""


class Status(StrEnum):
    """What is known of a container."""

    CREATING = "creating"  # accepted; the engine is at work
    RUNNING = "running"
    EXITED = "exited"  # its agent ended; the engine still has it
    GONE = "gone"  # the engine answered that it has no such container
    UNKNOWN = "unknown"  # the engine did not answer, or cannot show it: nothing is destroyed on this


class EndReason(StrEnum):
    """Why a container ended."""

    KILLED = "killed"
    EXPIRED = "expired"  # its time to live passed
    IDLE = "idle"  # nothing was asked of it for its idle timeout
    EXITED = "exited"  # its first process ended by itself
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"  # the engine has it no more and nobody of us removed it
    SPAWN_FAILED = "spawn_failed"


@frozen
class ContainerEnding:
    """The answer to "what happened to my container?", kept after its removal.

    Attributes:
        reason: Why.
        at: When it ended, UTC.
        by: Who ended it: a subject, or ``devbench`` for a lifespan, or ``engine``.
        exit_code: Exit code of the first process when the engine told it.
        message: One sentence for people.
    """

    reason: EndReason
    at: datetime
    by: str
    exit_code: int | None = None
    message: str = ""


@frozen
class ContainerSpec:
    """What a caller wants.

    Attributes:
        image: As the caller wrote it; "" means the configured default.
        alias: A name unique among the tenant's living containers; None for none.
        env: Added to the image's environment, for all commands; kept in the store, not on the engine.
        labels: Free ``key: value`` pairs to filter by.
        policy: The isolation, after the operator's defaults and bounds were applied.
        persistent: A persistent container outlives the host's clean shutdown; others are killed by it.
        ttl_s: Seconds from creation after which it is killed; None for never.
        idle_timeout_s: Seconds without any call after which it is killed; None for never.
        run_entrypoint: Whether the image's own entry point is run as the first command.
    """

    image: str
    alias: str | None = None
    env: dict[str, str] = attrs.field(factory=dict[str, str])
    labels: dict[str, str] = attrs.field(factory=dict[str, str])
    policy: Policy = attrs.field(factory=Policy)
    persistent: bool = False
    ttl_s: float | None = None
    idle_timeout_s: float | None = None
    run_entrypoint: bool = False


@frozen
class Container:
    """The record of a container, living or ended.

    Attributes:
        id: Opaque, ``c_…``.
        tenant: Whose it is.
        created_by: The subject that spawned it.
        instance: The host that is responsible for it.
        spec: What was wanted.
        runtime: The runtime's name.
        ref: The engine's own handle; "" until the engine gave one.
        image_id: The engine's id of the image it was made from.
        status: What is known.
        created_at: When it was accepted, UTC.
        started_at: When its agent first answered, UTC.
        last_used_at: When it was last asked for anything, UTC (coarse: within the idle check's interval).
        ending: Why it ended; None while it lives.
        revision: The store's revision of this record.
    """

    id: str
    tenant: str
    created_by: str
    instance: str = ""
    spec: ContainerSpec
    runtime: str
    ref: str = ""
    image_id: str = ""
    status: Status
    created_at: datetime
    started_at: datetime | None = None
    last_used_at: datetime | None = None
    ending: ContainerEnding | None = None
    revision: int = 0


@frozen
class Observed:
    """What the engine shows of one container.

    Attributes:
        ref: The engine's handle.
        container_id: From the label that devbench put on it.
        status: ``RUNNING``, ``EXITED``, ``CREATING`` (made but never started), or ``UNKNOWN`` where the engine has it
            and cannot show it.
        exit_code: Exit code of the first process once exited, None when the engine does not tell.
        out_of_memory: Whether the engine ended it for its memory.
        started_at: UTC, None when never started.
        finished_at: UTC, None while running.
        labels: All labels on it.
    """

    ref: str
    container_id: str
    status: Status
    exit_code: int | None = None
    out_of_memory: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    labels: dict[str, str] = attrs.field(factory=dict[str, str])
