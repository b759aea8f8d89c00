"""Optional powers of a runtime: separate Protocols, probed once at composition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

import attrs

from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import NotEnforced
from devbench_core.model.image import Image, PullProgress, RegistryAuth
from devbench_core.values import frozen

__all__ = [
    "StartedGuest",
    "Stats",
    "SupportsCommit",
    "SupportsPause",
    "SupportsPull",
    "SupportsStats",
    "SupportsUsers",
    "users_of",
]


@frozen
class Stats:
    """Resources of a container at one moment; None where the engine does not tell."""

    memory_bytes: int | None = None
    cpu_s: float | None = None
    pids: int | None = None


@runtime_checkable
class SupportsPull(Protocol):
    """The engine can fetch images by name."""

    def pull(self, name: str, auth: RegistryAuth | None) -> AsyncIterator[PullProgress]:
        """Fetch an image, yielding progress; finished when the iteration ends.

        Pulling an image that is there already is cheap and succeeds.

        Raises:
            ImagePullFailed: Registry unreachable, no such image, or credentials refused; names which.
            EngineUnreachable: The engine did not answer.
        """
        ...


@runtime_checkable
class SupportsStats(Protocol):
    """The engine can tell what a container uses."""

    async def stats(self, ref: str) -> Stats:
        """Return the present usage.

        Raises:
            ContainerNotFound: No such container.
            EngineUnreachable: The engine did not answer.
        """
        ...


@runtime_checkable
class SupportsCommit(Protocol):
    """The engine can make an image of a container's root file system."""

    async def commit(self, ref: str, name: str) -> Image:
        """Make an image of what changed in the root file system; volumes are not part of it.

        Raises:
            ContainerNotFound: No such container.
        """
        ...


@runtime_checkable
class SupportsPause(Protocol):
    """The engine can freeze all processes of a container."""

    async def pause(self, ref: str) -> None:
        """Freeze. Freezing a frozen container does nothing."""
        ...

    async def unpause(self, ref: str) -> None:
        """Thaw. Thawing a running container does nothing."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class StartedGuest:
    """An agent that was started in a running container as another user than the container's.

    Attributes:
        handle: The engine's name for this process; only this start of this agent ever has it.
        stream: To its standard streams, on which nothing was read yet: where it is claimed.
    """

    handle: str
    stream: ByteStream


@runtime_checkable
class SupportsUsers(Protocol):
    """The engine can start processes as another user; it enforces the clause ``exec_users``.

    A process that is started so is bound by the whole policy of its container, as PID 1 is.
    """

    async def start_guest(self, ref: str, user: str) -> StartedGuest:
        """Start the agent as a user, with `guest_argv`. It lives on when the stream is closed and this host dies.

        Args:
            ref: The container; its policy lists the user.
            user: ``uid:gid``, both numeric.

        Raises:
            ContainerNotFound: No such container.
            ContainerExited: It does not run.
            AgentUnavailable: The agent cannot run in it as this user; says why.
        """
        ...

    async def connect_guest(self, ref: str, user: str, handle: str, pid: int) -> ByteStream:
        """Open a new stream to an agent that was started before, by whichever host. Several may be open at once.

        Args:
            ref: The container.
            user: As it was started.
            handle: Of this start.
            pid: The agent's number as it sees it itself.

        Raises:
            ContainerNotFound: No such container.
            ContainerExited: It does not run.
            AgentGone: It has ended.
            AgentSilent: A stream was opened, and nothing came on it in time.
            AgentUnavailable: It cannot be reached within the configured time, and may live.
        """
        ...


def users_of(runtime: Runtime) -> SupportsUsers:
    """Return a runtime as one that has users.

    Raises:
        NotEnforced: It has none.
    """
    if isinstance(runtime, SupportsUsers):
        return runtime
    raise NotEnforced(
        f"runtime {runtime.name!r} runs no command as another user than its container's",
        details={"clauses": ["exec_users"]},
    )
