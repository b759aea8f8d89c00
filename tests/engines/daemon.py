"""A private Docker engine: its own data, socket, bridge and control group, all of which go with it."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from engines import signals
from engines.api import DockerApi
from engines.bridges import make_bridge, remove_bridge
from engines.ending import (
    COMMAND_TIMEOUT_S,
    end_processes,
    remove_control_groups,
    unmount_below,
)
from engines.install import ADMIN_FOLDERS, find_program
from engines.privilege import PrivilegeMissingError, as_root, can_be_root, run_as_root
from engines.progress import say
from engines.starting import await_answer

PROGRAMS = ("dockerd", "containerd")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine and everything that has to go when it stops."""

    folder: str
    bridge: str
    owner_pid: int
    options: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The engine's address."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def control_group(self) -> str:
        """The control group of its containers."""
        return f"/{Path(self.folder).name}"


def start(folder: Path, *, owner_pid: int, options: tuple[str, ...] = ()) -> Engine:
    """Start an engine whose everything is beneath ``folder``, and wait until it answers.

    Args:
        folder: a private folder; made if absent.
        owner_pid: the process with whose end the engine is an orphan; 0 when it shall stay.
        options: more for its command line.

    Raises:
        PrivilegeMissingError: this user cannot start one; the message has the command to run.
        RuntimeError: it ended or did not answer in time; the message has the end of its log.
    """
    if not can_be_root():
        raise PrivilegeMissingError(
            "no Docker engine answers, and starting one needs root; run this once, then try again:\n"
            f'  sudo "{sys.executable}" "{Path(__file__).parent}" up'
        )
    folder.mkdir(parents=True, exist_ok=True)
    say(f"starting a private Docker engine in {folder}")
    bridge = make_bridge("dvbtest", "198.18")
    engine = Engine(folder=str(folder), bridge=bridge, owner_pid=owner_pid, options=options)
    (folder / "engine.json").write_text(json.dumps(asdict(engine)), "utf-8")
    try:
        with signals.deferred():
            process = _launch(engine)
        await_answer(engine.host, process, folder / "docker.log")
    except BaseException:
        with signals.ignored():
            stop(engine)
        raise
    say(f"Docker answers at {engine.host} (bridge {engine.bridge})")
    return engine


def _launch(engine: Engine) -> subprocess.Popen[bytes]:
    folder = Path(engine.folder)
    with (folder / "docker.log").open("ab") as log:
        return subprocess.Popen(
            as_root([*_argv(folder, engine.bridge), *engine.options], {"PATH": _path()}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def load(folder: Path) -> Engine | None:
    """Return the engine that was started in ``folder``, if its files are still there."""
    try:
        return Engine(**json.loads((folder / "engine.json").read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def restart(engine: Engine, *, programs: tuple[str, ...] = PROGRAMS) -> None:
    """Stop an engine as the machine's service manager does, and start it again; its containers end on the way.

    Args:
        engine: which.
        programs: those that are ended; with ``dockerd`` alone, and its option ``--live-restore``, containers live on.
    """
    say(f"restarting the Docker engine in {engine.folder}")
    folder = Path(engine.folder)
    end_processes(engine.folder, programs)
    process = _launch(engine)  # whatever interrupts this, the engine can be stopped by its folder
    await_answer(engine.host, process, folder / "docker.log")


def stop(engine: Engine) -> None:
    """Stop an engine and remove everything it had; doing it twice is fine."""
    say(f"stopping the Docker engine in {engine.folder}")
    api = DockerApi(engine.host)
    if api.ping():
        api.remove_all_containers()
    end_processes(engine.folder, PROGRAMS)
    unmount_below(engine.folder)
    run_as_root(["rm", "-rf", "--one-file-system", engine.folder], timeout_s=COMMAND_TIMEOUT_S)
    remove_bridge(engine.bridge)
    remove_control_groups(engine.control_group)
    if Path(engine.folder).exists():
        raise RuntimeError(f"{engine.folder} could not be removed completely")


def _argv(folder: Path, bridge: str) -> list[str]:
    return [
        _program("dockerd"),
        "--data-root", str(folder / "data"),
        "--exec-root", str(folder / "exec"),
        "--pidfile", str(folder / "docker.pid"),
        "--host", f"unix://{folder}/docker.sock",
        "--group", os.environ.get("SUDO_GID", str(os.getgid())),
        "--bridge", bridge,
        "--iptables=false",
        "--ip-masq=false",
        "--ip-forward=false",
        "--userland-proxy=false",
        "--exec-opt", "native.cgroupdriver=cgroupfs",
        "--cgroup-parent", f"/{folder.name}",
    ]  # fmt: skip


def _program(name: str) -> str:
    return find_program(name) or name


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])
