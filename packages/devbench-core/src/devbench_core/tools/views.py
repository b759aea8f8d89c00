"""What tools show of containers."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from devbench_core.model.container import WORKSPACE, Container, ContainerEnding, Observed


class View(BaseModel):
    """Base of the parts of results."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class EndingView(View):
    """Why a container ended."""

    reason: str = Field(
        description=(
            "killed, expired (its ttl_s passed), idle (idle_timeout_s passed), exited, out_of_memory, "
            "lost (the engine has it no more) or spawn_failed."
        )
    )
    at: datetime = Field(description="When it ended, UTC.")
    by: str = Field(description="Who ended it: a subject, `devbench` or `engine`.")
    exit_code: int | None = Field(default=None, description="Exit code of the first process, when known.")
    message: str = Field(default="", description="One sentence about it.")

    @classmethod
    def of(cls, ending: ContainerEnding) -> Self:
        """Return the view of an ending."""
        return cls(
            reason=ending.reason,
            at=ending.at,
            by=ending.by,
            exit_code=ending.exit_code,
            message=ending.message,
        )


class ContainerView(View):
    """A container."""

    id: str = Field(description="Opaque id, c_…; give it as `container` to the other tools.")
    alias: str | None = Field(
        default=None, description="Its name, when it has one; works wherever the id does."
    )
    status: str = Field(
        description="creating, running, exited, gone (removed) or unknown (the engine does not answer)."
    )
    image: str = Field(description="The image as it was asked for; empty for the default.")
    runtime: str = Field(description="What runs it, for example docker or bubblewrap.")
    workspace: str = Field(description="Folder of its files, and default directory of its commands.")
    file_roots: list[str] = Field(
        default=[], description="Further folders whose files the fs_ tools reach by absolute paths."
    )
    labels: dict[str, str] = Field(description="Pairs to filter by in list_containers.")
    persistent: bool = Field(description="Whether it outlives a shutdown of the host.")
    created_at: datetime = Field(description="When it was accepted, UTC.")
    started_at: datetime | None = Field(default=None, description="When it first could run commands, UTC.")
    last_used_at: datetime | None = Field(default=None, description="When it was last used, UTC, coarse.")
    ttl_s: float | None = Field(default=None, description="Seconds from creation after which it is killed.")
    idle_timeout_s: float | None = Field(
        default=None, description="Seconds without a call after which it is killed."
    )
    ending: EndingView | None = Field(default=None, description="Why it ended; absent while it lives.")

    @classmethod
    def of(cls, container: Container) -> Self:
        """Return the view of a record."""
        spec = container.spec
        return cls(
            id=container.id,
            alias=spec.alias,
            status=container.status,
            image=spec.image,
            runtime=container.runtime,
            workspace=str(WORKSPACE),
            file_roots=list(spec.policy.file_roots),
            labels=spec.labels,
            persistent=spec.persistent,
            created_at=container.created_at,
            started_at=container.started_at,
            last_used_at=container.last_used_at,
            ttl_s=spec.ttl_s,
            idle_timeout_s=spec.idle_timeout_s,
            ending=None if container.ending is None else EndingView.of(container.ending),
        )


class ObservedView(View):
    """What the engine shows of a container now."""

    status: str = Field(
        description="running, exited, creating, or gone when the engine has no such container."
    )
    exit_code: int | None = Field(default=None, description="Exit code of the first process, once it exited.")
    out_of_memory: bool = Field(default=False, description="Whether the engine ended it for its memory.")
    started_at: datetime | None = Field(default=None, description="When the engine started it, UTC.")
    finished_at: datetime | None = Field(default=None, description="When it finished, UTC.")

    @classmethod
    def of(cls, observed: Observed) -> Self:
        """Return the view of what was observed."""
        return cls(
            status=observed.status,
            exit_code=observed.exit_code,
            out_of_memory=observed.out_of_memory,
            started_at=observed.started_at,
            finished_at=observed.finished_at,
        )
