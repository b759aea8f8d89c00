"""The runtime: what makes containers. As little as possible; commands and files are built on the agent in core."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

import attrs

from devbench_core.contracts.stream import ByteStream
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import WORKSPACE, Observed
from devbench_core.model.policy import Policy
from devbench_core.values import frozen

if TYPE_CHECKING:
    from devbench_core.model.image import Image

__all__ = [
    "AGENT_FOLDER",
    "AGENT_PATH",
    "GUESTS_FOLDER",
    "LABEL_CONTAINER",
    "LABEL_INSTALLATION",
    "SOCKET_FOLDER",
    "SOCKET_PATH",
    "AgentProgram",
    "CreateRequest",
    "EngineInfo",
    "Runtime",
    "guest_argv",
    "guest_folder",
    "guest_socket",
]

LABEL_INSTALLATION = "dev.devbench.installation"
LABEL_CONTAINER = "dev.devbench.container"
AGENT_FOLDER = PurePosixPath("/.devbench")
AGENT_PATH = AGENT_FOLDER / "devbench-agent"
SOCKET_FOLDER = PurePosixPath("/.devbench-run")
SOCKET_PATH = SOCKET_FOLDER / "agent.sock"
GUESTS_FOLDER = PurePosixPath("/.devbench-guests")


def guest_folder(uid: int) -> PurePosixPath:
    """Return the private folder of the agent that runs commands as another user than the container's."""
    return GUESTS_FOLDER / str(uid)


def guest_socket(uid: int) -> PurePosixPath:
    """Return the socket of that agent."""
    return guest_folder(uid) / "agent.sock"


def guest_argv(uid: int) -> tuple[str, ...]:
    """Return the command line of that agent, which is claimed on its standard streams.

    It serves commands only, so it has no further roots of files.
    """
    words = (str(AGENT_PATH), "--guest", "--stdio", "--workspace", str(WORKSPACE))
    return (*words, "--socket", str(guest_socket(uid)))


@frozen
class EngineInfo:
    """What answered a ping.

    Attributes:
        name: For example ``Docker Engine``.
        version: As the engine says.
        api_version: As negotiated, "" for none.
        details: Facts for `devbench doctor` (cgroup version, storage driver, rootless …).
    """

    name: str
    version: str
    api_version: str = ""
    details: dict[str, str] = attrs.field(factory=dict[str, str])


@frozen
class AgentProgram:
    """The program that is PID 1 of a container.

    Attributes:
        path: The static binary on this machine, for the image's architecture.
        digest: SHA-256 of it in hex; names the volume or file that carries it into containers.
        file_roots: Folders of the container beside the workspace that it works on; `argv` has them.
    """

    path: Path
    digest: str
    file_roots: tuple[str, ...] = ()

    def argv(self, *, stdio: bool) -> tuple[str, ...]:
        """Return the command line of PID 1.

        Args:
            stdio: Whether the agent speaks its first channel on its stdin and stdout at once (engines that
                attach to PID 1), beside its socket.
        """
        words = (
            str(AGENT_PATH),
            "--workspace",
            str(WORKSPACE),
            "--socket",
            str(SOCKET_PATH),
            *self.root_words,
        )
        return (*words, "--stdio") if stdio else words

    @property
    def root_words(self) -> tuple[str, ...]:
        """The part of the command line that names the roots of files."""
        return tuple(word for root in self.file_roots for word in ("--root", root))

    @property
    def bridge_argv(self) -> tuple[str, ...]:
        """The command that bridges its stdio to the agent's socket, for engines that can only exec."""
        return (str(AGENT_PATH), "connect", "--socket", str(SOCKET_PATH))


@frozen
class CreateRequest:
    """All that a runtime needs to make one container.

    Attributes:
        container_id: devbench's id; use it for the engine's name where names must be unique.
        installation: The identity that owns it.
        image: As resolved by this runtime.
        agent: Must be PID 1, provided read-only and executable at `AGENT_PATH`, with a writable private
            folder at `SOCKET_FOLDER` that belongs to the container's user, and the workspace at ``/workspace``.
        env: The container's environment, image's environment included.
        working_dir: Where PID 1 starts; always absolute.
        policy: Enforce each of its clauses. Core has already refused what ``capabilities`` does not list. For each
            of its ``exec_users`` provide a writable folder that only this user can enter, at `guest_folder`.
        labels: To be put on every engine object made; include both ``LABEL_…`` constants.
    """

    container_id: str
    installation: str
    image: Image
    agent: AgentProgram
    env: dict[str, str]
    working_dir: PurePosixPath
    policy: Policy
    labels: dict[str, str]


class Runtime(Protocol):
    """An engine that makes containers.

    Every method may raise `EngineUnreachable` when the engine does not answer within the plugin's configured
    time (nothing is then known about the outcome) and `EngineFailed` when it answers with an error that the
    method's own list does not cover. All calls may be made concurrently. Cancelling a call leaves the engine in
    a state that a later `list` and `remove` can clean.
    """

    @property
    def name(self) -> str:
        """The provider's name, for example ``docker``."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this engine, as it is configured here and now, enforces; constant while open."""
        ...

    async def ping(self) -> EngineInfo:
        """Ask whether the engine answers, in at most a second or two."""
        ...

    async def create(self, request: CreateRequest) -> str:
        """Make a container, not yet started, and all that belongs to it (workspace, agent, socket folder).

        Returns:
            The ref: the engine's handle, valid until `remove`, also for the next life of this program.

        Raises:
            ImageNotFound: The image vanished since it was resolved.
            NotEnforced: A clause of the policy cannot be enforced after all; nothing is left behind.
            Conflict: A container for this id exists already (a retry after an unknown outcome: `list` finds it).
        """
        ...

    async def start(self, ref: str) -> None:
        """Start PID 1. Starting a running container does nothing.

        Raises:
            ContainerNotFound: No such container.
            AgentUnavailable: The agent cannot run in it (architecture, a mount that forbids execution); says why.
        """
        ...

    async def stop(self, ref: str, *, grace_s: float) -> None:
        """End PID 1 and with it all processes: TERM, then KILL after the grace. A stopped or absent one is fine."""
        ...

    async def remove(self, ref: str) -> None:
        """End it if it runs, and remove the container and everything made for it, workspace included.

        Removing what is absent or half removed succeeds. Afterwards no process, volume or file of it is left.
        """
        ...

    async def inspect(self, ref: str) -> Observed:
        """Return what the engine shows.

        Raises:
            ContainerNotFound: The engine answered that it has no such container.
        """
        ...

    def list(self, installation: str) -> AsyncIterator[Observed]:
        """Iterate over all containers of an installation, running or not, and over no others.

        One that the engine has but cannot show just now is told with status ``UNKNOWN``: it hides no other one.
        """
        ...

    async def connect(self, ref: str) -> ByteStream:
        """Open a new stream to the agent of a running container. Several may be open at once.

        The first call after `start` may return a stream prepared by it.

        Raises:
            ContainerNotFound: No such container.
            ContainerExited: It does not run.
            AgentUnavailable: It runs, but the agent cannot be reached within the configured time.
        """
        ...

    async def resolve_image(self, name: str) -> Image:
        """Find an image that the engine already has; never pulls.

        Args:
            name: A full reference (registry, repository, tag or digest), or a name of the runtime's own
                (``host`` on bubblewrap).

        Raises:
            ImageNotFound: The engine answered that it has no such image.
        """
        ...

    async def images(self) -> tuple[Image, ...]:
        """Return the images that the engine has, sorted by name."""
        ...
