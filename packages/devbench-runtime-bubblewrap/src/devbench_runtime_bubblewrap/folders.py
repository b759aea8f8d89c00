"""Where things lie, and what is written there.

``BASE/containers/ID/`` holds one container: ``spec.json`` (what was wanted), ``status`` (bwrap's own report, locked
while bwrap lives), ``process.json`` (who PID 1 is, once it was let go), ``log`` (what bwrap and the agent said on
stderr), ``workspace`` and ``run`` (both belong to the container's user).
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from devbench_core.contracts.runtime import SOCKET_PATH
from devbench_core.errors import ContainerNotFound, ValidationFailed
from devbench_core.values import frozen

REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the operating system says of a disk, or a share of it, that is full."""
PASSABLE = 0o711  # the container's user passes through, and sees nothing beside its own folders


@frozen
class ContainerFolder:
    """The folder of one container."""

    path: Path

    @property
    def spec(self) -> Path:
        """What was wanted."""
        return self.path / "spec.json"

    @property
    def status(self) -> Path:
        """Bwrap's report; whoever holds its lock is the bwrap that writes it."""
        return self.path / "status"

    @property
    def process(self) -> Path:
        """Who PID 1 is."""
        return self.path / "process.json"

    @property
    def log(self) -> Path:
        """Standard error of bwrap and the agent."""
        return self.path / "log"

    @property
    def workspace(self) -> Path:
        """The workspace."""
        return self.path / "workspace"

    @property
    def run(self) -> Path:
        """The folder of the agent's socket."""
        return self.path / "run"

    @property
    def socket(self) -> Path:
        """The agent's socket."""
        return self.run / SOCKET_PATH.name


@frozen
class Folders:
    """All folders."""

    base: Path

    @property
    def containers(self) -> Path:
        """One folder a container."""
        return self.base / "containers"

    @property
    def trash(self) -> Path:
        """What is being deleted."""
        return self.base / "trash"

    @property
    def incoming(self) -> Path:
        """What is being made, and moved to its place when it is whole."""
        return self.base / "incoming"

    @property
    def agents(self) -> Path:
        """One folder a digest, each with an agent."""
        return self.base / "agents"

    @property
    def etc(self) -> Path:
        """Copies of this machine's /etc, one a state of it."""
        return self.base / "etc"

    def container(self, ref: str) -> ContainerFolder:
        """Return the folder of a ref, whether it exists or not.

        Raises:
            ContainerNotFound: No container of ours can have this ref.
        """
        if not REF.fullmatch(ref):
            raise ContainerNotFound(f"bubblewrap has no container {ref[:100]!r}")
        return ContainerFolder(path=self.containers / ref)

    def new(self, container_id: str) -> ContainerFolder:
        """Return the folder for a new container.

        Raises:
            ValidationFailed: The id cannot be a folder's name.
        """
        if not REF.fullmatch(container_id):
            raise ValidationFailed("container_id", "must be letters, digits, '_', '.' and '-', up to 100")
        return ContainerFolder(path=self.containers / container_id)

    def make(self) -> None:
        """Make the folders that all containers share."""
        self.base.mkdir(mode=PASSABLE, parents=True, exist_ok=True)
        for folder in (self.containers, self.agents, self.etc):
            folder.mkdir(mode=PASSABLE, exist_ok=True)
        for folder in (self.trash, self.incoming):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.base, self.containers, self.agents, self.etc):
            folder.chmod(PASSABLE)  # whatever the umask was


def write_whole(path: Path, data: bytes) -> None:
    """Write a private file that is there whole or not at all, also for other processes."""
    with written_beside(path, data) as beside:
        beside.replace(path)


@contextmanager
def written_beside(path: Path, data: bytes) -> Generator[Path]:
    """Give a private file that is whole, to be moved to its path; else it goes with the block. Blocking."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def older_than(path: Path, age_s: float) -> bool:
    """Tell whether nothing was added to a folder for so long; blocking."""
    try:
        return time.time() - path.stat().st_mtime > age_s
    except FileNotFoundError:
        return False
