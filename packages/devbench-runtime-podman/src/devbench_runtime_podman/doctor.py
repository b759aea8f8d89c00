"""What `devbench doctor` says about Podman, and the commands that mend it."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
from pathlib import Path

from devbench_core.contracts.provider import Diagnosis, OpenContext, Remedy
from devbench_core.errors import DevbenchError
from devbench_runtime_podman.endpoint import SYSTEM_SOCKET, Endpoint
from devbench_runtime_podman.engine import connected
from devbench_runtime_podman.failures import TRAPS
from devbench_runtime_podman.info import capabilities_of, is_rootless, notes_of
from devbench_runtime_podman.limits import limits_for
from devbench_runtime_podman.opening import ask_info
from devbench_runtime_podman.settings import PodmanSettings

ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
SYSTEMD = Path("/run/systemd/system")
SUBORDINATE_IDS = Path("/etc/subuid")
FIRST_SUBORDINATE_ID = 100_000
SUBORDINATE_IDS_EACH = 65_536
TIMEOUT_S = 5.0


async def examine(settings: PodmanSettings, context: OpenContext) -> Diagnosis:
    """Ask the service, and say what is missing when it does not answer. Never raises."""
    _ = context
    endpoint: Endpoint | None = None
    try:
        async with asyncio.timeout(TIMEOUT_S), connected(settings) as engine:
            endpoint = engine.endpoint
            version = await engine.version()
            info = await ask_info(engine)
            capabilities = capabilities_of(info)
            limits = await asyncio.to_thread(limits_for, settings, endpoint.socket)
    except DevbenchError as error:
        return await asyncio.to_thread(
            _missing, endpoint, f"{error}; {error.hint}" if error.hint else str(error)
        )
    except TimeoutError:
        return Diagnosis(ok=False, summary=f"Podman did not answer within {TIMEOUT_S:g} s")
    absent = tuple(f"{clause} is not enforced: {why}" for clause, why in sorted(capabilities.reasons.items()))
    kind = "rootless Podman" if is_rootless(info) else "Podman"
    return Diagnosis(
        ok=True,
        summary=f"{kind} {version} answers at {endpoint.address}",
        notes=(*absent, *notes_of(info), *_about_limits(limits)),
    )


def _about_limits(limits: dict[str, int]) -> tuple[str, ...]:
    if not limits:
        return ()
    words = ", ".join(f"{name} {most}" for name, most in sorted(limits.items()))
    return (
        f"containers get the limits {words}, not Podman's own: plugin.podman.open_files and user_processes",
    )


def _missing(endpoint: Endpoint | None, what: str) -> Diagnosis:
    """Find out why the service is silent."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])
    if endpoint is None:
        return Diagnosis(ok=False, summary=what)
    if shutil.which("podman", path=path) is None and not _is_there(Path(endpoint.socket)):
        more = () if os.geteuid() == 0 else ("uidmap", "slirp4netns")
        install = Remedy(argv=("apt-get", "install", "-y", "podman", *more))
        return Diagnosis(
            ok=False, summary="Podman is not installed", remedies=(install, *_start()), notes=_by_hand()
        )
    if os.geteuid() != 0 and endpoint.socket != SYSTEM_SOCKET:
        return Diagnosis(ok=False, summary=what, remedies=(*_rootless(path), *_start()), notes=_by_hand())
    return Diagnosis(ok=False, summary=what, remedies=_start(), notes=_by_hand())


def _rootless(path: str) -> tuple[Remedy, ...]:
    """Return what an ordinary user needs before a service of its own can run."""
    remedies: list[Remedy] = []
    if shutil.which("newuidmap", path=path) is None:
        remedies.append(Remedy(argv=("apt-get", "install", "-y", "uidmap")))
    user = getpass.getuser()
    if not _has_subordinate_ids(user):
        last = FIRST_SUBORDINATE_ID + SUBORDINATE_IDS_EACH - 1
        ids = f"{FIRST_SUBORDINATE_ID}-{last}"
        remedies.append(Remedy(argv=("usermod", "--add-subuids", ids, "--add-subgids", ids, user)))
    return tuple(remedies)


def _has_subordinate_ids(user: str) -> bool:
    try:
        lines = SUBORDINATE_IDS.read_text("utf-8").splitlines()
    except OSError:
        return False
    return any(line.split(":")[0] in (user, str(os.geteuid())) for line in lines)


def _start() -> tuple[Remedy, ...]:
    if not SYSTEMD.exists():
        return ()
    if os.geteuid() == 0:
        return (Remedy(argv=("systemctl", "enable", "--now", "podman.socket")),)
    return (Remedy(argv=("systemctl", "--user", "enable", "--now", "podman.socket"), needs_root=False),)


def _by_hand() -> tuple[str, ...]:
    """Say how to start it where no service manager does, and what then goes wrong most often."""
    if SYSTEMD.exists():
        return ()
    return (
        "without systemd the service is started by hand: podman system service --time=0 &",
        *(f"{words}: {advice}" for words, advice in TRAPS.items()),
    )


def _is_there(socket: Path) -> bool:
    try:
        return socket.exists()
    except OSError:
        return True
