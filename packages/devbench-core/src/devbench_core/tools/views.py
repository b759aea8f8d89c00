"""What tools show of containers, commands and images."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import attrs
from pydantic import BaseModel, ConfigDict, Field

from devbench_core.model.container import WORKSPACE, Container, ContainerEnding, Observed
from devbench_core.model.execution import Exec, ExecEnding
from devbench_core.model.image import Image


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
    def of(cls, ending: ContainerEnding) -> EndingView:
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
    def of(cls, container: Container) -> ContainerView:
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
    def of(cls, observed: Observed) -> ObservedView:
        """Return the view of what was observed."""
        return cls(
            status=observed.status,
            exit_code=observed.exit_code,
            out_of_memory=observed.out_of_memory,
            started_at=observed.started_at,
            finished_at=observed.finished_at,
        )


class ExecEndingView(View):
    """How a command ended."""

    reason: str = Field(
        description=(
            "exited (see exit_code), signaled (see signal), timed_out, cancelled, failed_to_start "
            "(see failure), container_exited, or lost (the true ending is not known)."
        )
    )
    exit_code: int | None = Field(default=None, description="0-255 when it exited; 0 is success.")
    signal: int | None = Field(default=None, description="Number of the signal that ended it.")
    failure: str = Field(
        default="", description="For failed_to_start: not_found, not_executable, bad_directory …"
    )
    message: str = Field(default="", description="One sentence about it.")
    at: datetime = Field(description="When it ended, UTC.")
    wall_s: float | None = Field(default=None, description="How long it ran, in seconds.")
    user_s: float | None = Field(
        default=None, description="Processor time of the whole process tree in programs, in seconds."
    )
    system_s: float | None = Field(
        default=None, description="Processor time of the whole process tree in the kernel, in seconds."
    )
    max_rss_bytes: int | None = Field(
        default=None, description="Largest resident memory of one of its processes."
    )
    voluntary_switches: int | None = Field(default=None, description="How often its processes waited.")
    involuntary_switches: int | None = Field(
        default=None, description="How often its processes were interrupted for others."
    )
    read_bytes: int | None = Field(default=None, description="What its processes read from block devices.")
    written_bytes: int | None = Field(
        default=None, description="What its processes made to be written to block devices."
    )
    output_bytes: int = Field(default=0, description="Size of all its output.")

    @classmethod
    def of(cls, ending: ExecEnding) -> ExecEndingView:
        """Return the view of an ending."""
        used = {} if ending.usage is None else attrs.asdict(ending.usage)
        return cls(
            reason=ending.reason,
            exit_code=ending.exit_code,
            signal=ending.signal,
            failure=ending.failure,
            message=ending.message,
            at=ending.at,
            output_bytes=ending.output_bytes,
            **used,
        )


class ExecView(View):
    """A command's run."""

    id: str = Field(description="Opaque id, x_…; give it as `exec_id` to exec_poll, exec_wait, exec_cancel.")
    container_id: str = Field(description="Where it runs.")
    argv: list[str] = Field(description="Program and arguments; long ones are cut in lists, and end in …")
    cwd: str = Field(default="", description="Working directory, as asked for.")
    tty: bool = Field(default=False, description="Whether it has a terminal.")
    user: str = Field(
        default="", description="uid:gid when it runs as another user than its container's; else empty."
    )
    state: Literal["starting", "running", "ended"] = Field(description="Where it stands.")
    created_at: datetime = Field(description="When it was accepted, UTC.")
    started_at: datetime | None = Field(default=None, description="When its process was there, UTC.")
    ending: ExecEndingView | None = Field(default=None, description="How it ended; absent while it runs.")

    @classmethod
    def of(cls, record: Exec, *, argv_max: int | None = None) -> ExecView:
        """Return the view of a record, with no more of its arguments than so many characters."""
        return cls(
            id=record.id,
            container_id=record.container_id,
            argv=list(record.argv) if argv_max is None else _cut(record.argv, argv_max),
            cwd=record.cwd,
            tty=record.tty,
            user=record.user,
            state=record.state.value,
            created_at=record.created_at,
            started_at=record.started_at,
            ending=None if record.ending is None else ExecEndingView.of(record.ending),
        )


def _cut(words: Sequence[str], most: int) -> list[str]:
    shown: list[str] = []
    for word in words:
        if len(word) + 1 > most:
            return [*shown, word[: max(most - 1, 0)] + "…"]
        shown.append(word)
        most -= len(word) + 1
    return shown


class ImageView(View):
    """An image that can be spawned from."""

    name: str = Field(description="Full name; give it, or a short form of it, as `image` to spawn.")
    id: str = Field(description="The engine's id of its content.")
    digest: str = Field(default="", description="Digest in its registry, when known.")
    architecture: str = Field(description="amd64 or arm64.")
    size_bytes: int | None = Field(default=None, description="Size on disk, when known.")
    created_at: datetime | None = Field(default=None, description="When it was built, UTC, when known.")

    @classmethod
    def of(cls, image: Image) -> ImageView:
        """Return the view of an image."""
        return cls(
            name=image.name,
            id=image.id,
            digest=image.digest,
            architecture=image.architecture,
            size_bytes=image.size_bytes,
            created_at=image.created_at,
        )
