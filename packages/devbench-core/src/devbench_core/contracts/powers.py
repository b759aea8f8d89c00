"""Optional powers of a runtime: separate Protocols, probed once at composition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

import attrs

from devbench_core.model.image import Image, PullProgress, RegistryAuth


@attrs.frozen(kw_only=True)
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
