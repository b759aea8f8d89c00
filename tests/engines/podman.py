"""A Podman service of our own: its storage, its network and its socket go with it; the machine's stay untouched."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from engines import signals
from engines.api import DockerApi
from engines.bridges import make_bridge, remove_bridge
from engines.ending import COMMAND_TIMEOUT_S, end_processes, remove_control_groups, unmount_below
from engines.install import ADMIN_FOLDERS, find_program
from engines.podman_rootless import become_ordinary, prepare
from engines.privilege import as_root, run_as_root
from engines.progress import say
from engines.starting import await_answer

PROGRAMS = ("podman", "conmon", "catatonit", "slirp4netns", "fuse-overlayfs")
LEASES = Path("/var/lib/cni/networks")
CNI_PLUGINS = Path("/usr/lib/cni")
CONTROL_GROUP = "/libpod_parent"
"""Podman's own choice; it is removed where nothing is in it."""
BRIDGE, SUBNETS = "dvbpod", "198.19"
_STATE = "podman.json"


@dataclass(frozen=True, kw_only=True)
class Podman:
    """A running service and everything that has to go when it stops."""

    folder: str
    bridge: str
    owner_pid: int
    rootless: bool = False

    @property
    def host(self) -> str:
        """The service's address."""
        return f"unix://{self.folder}/podman.sock"


def start(folder: Path, *, owner_pid: int, rootless: bool = False) -> Podman:
    """Start a service whose everything is beneath ``folder``, and wait until it answers.

    Args:
        folder: A private folder; made if absent.
        owner_pid: The process with whose end the service is an orphan; 0 when it shall stay.
        rootless: Whether the ordinary user runs it.

    Raises:
        PrivilegeMissingError: This user cannot start one; the message has the command to run.
        RuntimeError: It ended or did not answer in time; the message has the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    say(f"starting a private Podman service in {folder}")
    bridge = "" if rootless else make_bridge(BRIDGE, SUBNETS)
    service = Podman(folder=str(folder), bridge=bridge, owner_pid=owner_pid, rootless=rootless)
    (folder / _STATE).write_text(json.dumps(asdict(service)), "utf-8")
    _configure(folder, bridge)
    if rootless:
        prepare(folder)
    try:
        with signals.deferred():
            process = _launch(service)
        _await(service, process)
    except BaseException:
        with signals.ignored():
            stop(service)
        raise
    say(f"Podman answers at {service.host}")
    return service


def restart(service: Podman) -> None:
    """End the service without a word and start it again; its containers live on."""
    end_processes(service.folder, ("podman",))
    _await(service, _launch(service))


def load(folder: Path) -> Podman | None:
    """Return the service that was started in ``folder``, if its files are still there."""
    try:
        return Podman(**json.loads((folder / _STATE).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def stop(service: Podman) -> None:
    """Stop a service and remove everything it had; doing it twice is fine."""
    say(f"stopping the Podman service in {service.folder}")
    api = DockerApi(service.host)
    if api.ping():
        api.remove_all_containers()
    end_processes(service.folder, PROGRAMS)
    unmount_below(service.folder)
    run_as_root(["rm", "-rf", "--one-file-system", service.folder], timeout_s=COMMAND_TIMEOUT_S)
    if not service.rootless:
        remove_bridge(service.bridge)
        run_as_root(["rm", "-rf", str(LEASES / service.bridge)], timeout_s=COMMAND_TIMEOUT_S)
        remove_control_groups(CONTROL_GROUP)
    if Path(service.folder).exists():
        raise RuntimeError(f"{service.folder} could not be removed completely")


def _launch(service: Podman) -> subprocess.Popen[bytes]:
    folder = Path(service.folder)
    with (folder / "podman.log").open("ab") as log:
        return subprocess.Popen(
            _argv(folder, rootless=service.rootless),
            cwd=folder,  # Podman 4 leaves its mark of a container killed for memory where it was started
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await(service: Podman, process: subprocess.Popen[bytes]) -> None:
    await_answer(service.host, process, Path(service.folder) / "podman.log")
    socket = f"{service.folder}/podman.sock"
    run_as_root(["chgrp", os.environ.get("SUDO_GID", str(os.getgid())), socket], timeout_s=10)
    run_as_root(["chmod", "0660", socket], timeout_s=10)


def _argv(folder: Path, *, rootless: bool) -> list[str]:
    command = [
        find_program("podman") or "podman",
        "--root", str(folder / "root"),
        "--runroot", str(folder / "run"),
        "--tmpdir", str(folder / "tmp"),
        "system", "service", "--time=0", f"unix://{folder}/podman.sock",
    ]  # fmt: skip
    environment = {
        "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS]),
        "TMPDIR": str(folder / "tmp"),  # where an import leaves what was sent
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
    }
    if rootless:
        environment |= {"HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "user")}
        return as_root(become_ordinary(folder, command), environment)
    return as_root(command, environment)


def _configure(folder: Path, bridge: str) -> None:
    """Write the service's files. Its limits stay Podman's own: devbench has to cope with them."""
    files = {
        "containers.conf": '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n',
        "storage.conf": f'[storage]\ndriver = "{_driver(folder)}"\n'
        f'graphroot = "{folder}/root"\nrunroot = "{folder}/run"\n',
        "registries.conf": '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n',
    }
    if bridge and (CNI_PLUGINS / "bridge").exists():
        networks = folder / "networks"
        networks.mkdir(exist_ok=True)
        (networks / "90-devbench.conflist").write_text(json.dumps(_network(bridge)), "utf-8")
        files["containers.conf"] += f'[network]\nnetwork_backend = "cni"\ndefault_network = "{bridge}"\n'
        files["containers.conf"] += f'network_config_dir = "{networks}"\n'
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def _network(bridge: str) -> dict[str, object]:
    """Return a bridge of our own, without a way out and without packet filters."""
    network = f"{SUBNETS}.{bridge.removeprefix(BRIDGE)}"
    subnet = {"subnet": f"{network}.0/24", "gateway": f"{network}.1"}
    ipam = {"type": "host-local", "ranges": [[subnet]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": False, "ipam": ipam}
    return {"cniVersion": "0.4.0", "name": bridge, "plugins": [plugin]}


def _driver(folder: Path) -> str:
    """Return overlay, but vfs where the folder is on an overlay itself."""
    told = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return "vfs" if "overlay" in told.stdout else "overlay"
