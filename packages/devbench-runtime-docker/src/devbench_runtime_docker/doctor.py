"""What `devbench doctor` says about Docker, and the commands that mend it."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
from pathlib import Path

from devbench_core.contracts.provider import Diagnosis, OpenContext, Remedy
from devbench_core.errors import DevbenchError
from devbench_runtime_docker.endpoint import Endpoint
from devbench_runtime_docker.engine import connected
from devbench_runtime_docker.info import capabilities_of, engine_info, notes_of
from devbench_runtime_docker.opening import ask_info
from devbench_runtime_docker.settings import DockerSettings

ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
SYSTEMD = Path("/run/systemd/system")
TIMEOUT_S = 5.0


async def examine(settings: DockerSettings, context: OpenContext) -> Diagnosis:
    """Ask the engine, and say what is missing when it does not answer. Never raises."""
    _ = context
    endpoint: Endpoint | None = None
    try:
        async with asyncio.timeout(TIMEOUT_S), connected(settings) as engine:
            endpoint = engine.endpoint
            version = await engine.negotiate()
            info = await ask_info(engine)
            capabilities = capabilities_of(info)
            found = engine_info(version, info, engine.api_version)
    except DevbenchError as error:
        return await asyncio.to_thread(_missing, endpoint, str(error))
    except TimeoutError:
        return Diagnosis(ok=False, summary=f"Docker did not answer within {TIMEOUT_S:g} s")
    absent = tuple(f"{clause} is not enforced: {why}" for clause, why in sorted(capabilities.reasons.items()))
    return Diagnosis(
        ok=True,
        summary=f"Docker {found.version} (API {found.api_version}) answers at {endpoint.address}",
        notes=(*absent, *notes_of(info)),
    )


def _missing(endpoint: Endpoint | None, what: str) -> Diagnosis:
    """Find out why a local engine is silent; for a remote one nobody but the user can tell."""
    if endpoint is None or not endpoint.socket:
        return Diagnosis(ok=False, summary=what)
    socket = Path(endpoint.socket)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])
    if shutil.which("dockerd", path=path) is None and not _is_there(socket):
        install = Remedy(argv=("apt-get", "install", "-y", "docker.io"))
        return Diagnosis(ok=False, summary="Docker is not installed", remedies=(install, _start()))
    if _is_there(socket) and not os.access(socket, os.R_OK | os.W_OK):
        join = Remedy(argv=("usermod", "-aG", "docker", getpass.getuser()))
        return Diagnosis(
            ok=False,
            summary=f"this user may not reach {socket}",
            remedies=(join,),
            notes=(
                "log in again for the new group to count; its members have root's power over this machine",
            ),
        )
    return Diagnosis(ok=False, summary=what, remedies=(_start(),))


def _is_there(socket: Path) -> bool:
    try:
        return socket.exists()
    except OSError:
        return True


def _start() -> Remedy:
    if SYSTEMD.exists():
        return Remedy(argv=("systemctl", "start", "docker"))
    return Remedy(argv=("service", "docker", "start"))
