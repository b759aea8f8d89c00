"""What the rooms beside this one ask of an engine, whatever its own interface calls it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.attached import AttachedStream
from devbench_core.errors import DevbenchError
from devbench_core.values import frozen


class CallSettings(Protocol):
    """The settings that a plugin of this kind has; their descriptions are in its own table."""

    @property
    def direct(self) -> bool:
        """Whether agents may be reached by their own sockets."""
        ...

    @property
    def agent_timeout_s(self) -> float:
        """How long an agent may take for its first bytes."""
        ...

    @property
    def fill_timeout_s(self) -> float:
        """How long putting the agent on the engine may take."""
        ...

    @property
    def remove_timeout_s(self) -> float:
        """How long removing a container may take."""
        ...

    @property
    def sweep_timeout_s(self) -> float:
        """How long removing leftovers may take."""
        ...

    @property
    def removal_retry_s(self) -> float:
        """How long at most until a removal that was not confirmed is tried again."""
        ...


@frozen
class Found:
    """A container or volume in a list.

    Attributes:
        name: A volume's name, a container's id.
        labels: Its labels.
        created: When it was made, None where the engine does not tell.
    """

    name: str
    labels: dict[str, str]
    created: datetime | None


class EngineCalls(Protocol):
    """One engine.

    Every method raises `EngineAnswer` where the engine answered with an error (404 for what is absent, 409 for a name
    that is taken, for what is in use, and for a container that does not run) and `EngineUnreachable` where it did not.
    """

    @property
    def table(self) -> str:
        """The plugin's table in the configuration, for hints."""
        ...

    @property
    def settings(self) -> CallSettings:
        """The plugin's settings."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether the engine is reached by a socket of this machine."""
        ...

    async def show(self, container: str) -> dict[str, Any]:
        """Return what the engine shows of a container (its name or id)."""
        ...

    def translate(self, answer: EngineAnswer, doing: str, *, ref: str = "", image: str = "") -> DevbenchError:
        """Return the error for an answer, as `failures.translate` does, with what is known of this engine."""
        ...

    async def start_container(self, container: str) -> None:
        """Start a container that was made."""
        ...

    async def stop_container(self, container: str, grace_s: float) -> None:
        """TERM, then KILL after the grace; one that is stopped is fine."""
        ...

    async def freeze_container(self, container: str, verb: str) -> None:
        """``pause`` or ``unpause``."""
        ...

    async def remove_container(self, container: str) -> None:
        """End it if it runs, and remove it."""
        ...

    async def attach(self, container: str) -> AttachedStream:
        """Open the standard streams of a container's PID 1."""
        ...

    async def execute(self, container: str, argv: Sequence[str], user: str) -> tuple[str, AttachedStream]:
        """Start a process in a container as a user ("": the container's); return its handle and its streams."""
        ...

    async def show_process(self, handle: str) -> dict[str, Any]:
        """Return what the engine shows of such a process: Running, Pid, ExitCode, ContainerID."""
        ...

    async def volume(self, name: str) -> Found:
        """Look at a volume."""
        ...

    async def make_volume(self, name: str, labels: Mapping[str, str]) -> Found:
        """Make a volume that belongs to root, or return the one that has the name already."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Remove a volume that nothing uses."""
        ...

    async def volumes(self, labels: Mapping[str, str]) -> list[Found]:
        """Return the volumes with all these labels; those that a container has may be left out."""
        ...

    async def containers(self, labels: Mapping[str, str]) -> list[Found]:
        """Return the containers with all these labels, running or not."""
        ...

    def helper(
        self,
        image_id: str,
        volume: str,
        target: str,
        labels: Mapping[str, str],
        *,
        name: str,
        remove: Callable[[str], Awaitable[None]],
    ) -> AbstractAsyncContextManager[str]:
        """Make a container that is never started and has a volume at a path; have it removed by its id at the end."""
        ...

    async def remove_helper(self, container: str) -> None:
        """Remove such a container; one that is absent, or that the engine keeps, is fine."""
        ...

    async def put_archive(self, container: str, path: str, tar: bytes, *, doing: str, setting: str) -> None:
        """Unpack a tar in a container at a path, within the bound that a setting names."""
        ...

    async def get_archive(self, container: str, path: str, *, doing: str, setting: str) -> bytes:
        """Return a small file of a container as a tar."""
        ...
