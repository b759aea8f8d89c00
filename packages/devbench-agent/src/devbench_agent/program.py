"""The compiled program, by architecture."""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from pathlib import Path

ARCHITECTURES = ("amd64", "arm64")
"""Every architecture that a release carries, named as engines name them."""

_FOLDER = Path(__file__).parent / "bin"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class AgentBinaryMissing(RuntimeError):
    """This installation carries no agent for an architecture.

    Attributes:
        architecture: The one that was asked for.
        hint: What to do about it.
    """

    def __init__(self, architecture: str) -> None:
        carried = ", ".join(available()) or "none"
        self.architecture = architecture
        self.hint = "install a release wheel of devbench-agent, or build one with DEVBENCH_AGENT_ZIG=1"
        super().__init__(f"no devbench-agent for {architecture} is installed (here: {carried}); {self.hint}")


def native() -> str:
    """Name the architecture of this machine, as engines do (``amd64``); an unknown one as the kernel does."""
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


def available() -> tuple[str, ...]:
    """Name the architectures that this installation carries."""
    return tuple(name for name in ARCHITECTURES if _path(name).is_file())


def binary(arch: str | None = None) -> Path:
    """Return the program's file, mode 0755.

    Args:
        arch: One of `ARCHITECTURES` or the kernel's name for it (``x86_64``); this machine's when None.

    Raises:
        AgentBinaryMissing: This installation does not carry it.
    """
    name = _MACHINES.get(arch, arch) if arch is not None else native()
    if name not in ARCHITECTURES or not _path(name).is_file():
        raise AgentBinaryMissing(name)
    return _path(name)


def digest(arch: str | None = None) -> str:
    """Return the program's SHA-256 as 64 hexadecimal digits; reads the file once per content.

    Raises:
        AgentBinaryMissing: This installation does not carry it.
    """
    path = binary(arch)
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _digest(path: Path, mtime_ns: int, size_bytes: int) -> str:
    del mtime_ns, size_bytes  # they only tell a rebuilt program from the one before
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _path(name: str) -> Path:
    return _FOLDER / f"devbench-agent-{name}"
