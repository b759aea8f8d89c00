"""How many files and processes containers may have.

Podman asks for a million files and four million processes unless it is told otherwise, and starts nothing where it has
not the right to give more than it has itself (CAP_SYS_RESOURCE). Then its own limits are the containers'.
"""

from __future__ import annotations

import socket
from pathlib import Path

from devbench_core.channel.unix import CREDENTIALS
from devbench_runtime_podman.settings import PodmanSettings

CAP_SYS_RESOURCE = 24
CONNECT_TIMEOUT_S = 2.0
UNLIMITED = "unlimited"
PROGRAM = "podman"
_LINES = {"nofile": "Max open files", "nproc": "Max processes"}


def limits_for(settings: PodmanSettings, path: str) -> dict[str, int]:
    """Return the limits to ask for, by Podman's names; empty for its own. Blocks; call it off the event loop."""
    asked = {"nofile": settings.open_files, "nproc": settings.user_processes}
    found = {name: most for name, most in asked.items() if most is not None}
    if len(found) == len(asked):
        return found
    return {**service_limits(path), **found}


def service_limits(path: str, program: str = PROGRAM) -> dict[str, int]:
    """Return the limits of the service that listens at a socket; empty where it may exceed them, or cannot be seen.

    Args:
        path: The socket.
        program: Who must listen there: of a forwarded socket's listener nothing follows for the service behind it.
    """
    try:
        process = Path(f"/proc/{_listener(path)}")
        if (process / "comm").read_text("utf-8").strip() != program:
            return {}
        status = (process / "status").read_text("utf-8")
        if int(_after(status, "CapEff:").split()[0], 16) >> CAP_SYS_RESOURCE & 1:
            return {}
        limits = (process / "limits").read_text("utf-8")
        hard = {name: _after(limits, line).split()[1] for name, line in _LINES.items()}
        return {name: int(most) for name, most in hard.items() if most != UNLIMITED}
    except (OSError, ValueError, IndexError):
        return {}


def _listener(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONNECT_TIMEOUT_S)
        connection.connect(path)
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return CREDENTIALS.unpack(told)[0]


def _after(text: str, name: str) -> str:
    return text.partition(name)[2].partition("\n")[0]
