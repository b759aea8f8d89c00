"""A private Docker engine: its own data, socket, bridge and control group, all of which go with it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from engines import signals
from engines.api import DockerApi
from engines.install import ADMIN_FOLDERS, find_program
from engines.privilege import PrivilegeMissingError, as_root, can_be_root, run_as_root
from engines.progress import say

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 40
COMMAND_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
_SUBNETS = range(16, 32)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine and everything that has to go when it stops."""

    folder: str
    bridge: str
    owner_pid: int

    @property
    def host(self) -> str:
        """The engine's address."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def control_group(self) -> str:
        """The control group of its containers."""
        return f"/{Path(self.folder).name}"


def start(folder: Path, *, owner_pid: int) -> Engine:
    """Start an engine whose everything is beneath ``folder``, and wait until it answers.

    Args:
        folder: a private folder; made if absent.
        owner_pid: the process with whose end the engine is an orphan; 0 when it shall stay.

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
    engine = Engine(folder=str(folder), bridge=_make_bridge(), owner_pid=owner_pid)
    (folder / "engine.json").write_text(json.dumps(asdict(engine)), "utf-8")
    try:
        with signals.deferred():
            process = _launch(folder, engine.bridge)
        _await_answer(engine, process, folder / "docker.log")
    except BaseException:
        with signals.ignored():
            stop(engine)
        raise
    say(f"Docker answers at {engine.host} (bridge {engine.bridge})")
    return engine


def _launch(folder: Path, bridge: str) -> subprocess.Popen[bytes]:
    with (folder / "docker.log").open("ab") as log:
        return subprocess.Popen(
            as_root(_argv(folder, bridge), {"PATH": _path()}),
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


def restart(engine: Engine) -> None:
    """Stop an engine as the machine's service manager does, and start it again; its containers end on the way."""
    say(f"restarting the Docker engine in {engine.folder}")
    folder = Path(engine.folder)
    _end_processes(engine)
    process = _launch(
        folder, engine.bridge
    )  # whatever interrupts this, the engine can be stopped by its folder
    _await_answer(engine, process, folder / "docker.log")


def stop(engine: Engine) -> None:
    """Stop an engine and remove everything it had; doing it twice is fine."""
    say(f"stopping the Docker engine in {engine.folder}")
    api = DockerApi(engine.host)
    if api.ping():
        api.remove_all_containers()
    _end_processes(engine)
    _unmount_below(engine.folder)
    run_as_root(["rm", "-rf", "--one-file-system", engine.folder], timeout_s=COMMAND_TIMEOUT_S)
    run_as_root([_program("ip"), "link", "delete", engine.bridge], timeout_s=COMMAND_TIMEOUT_S)
    _remove_control_groups(engine.control_group)
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


def _make_bridge() -> str:
    """Make a bridge of our own, so that another engine's bridge and packet filter stay untouched."""
    refusal = ""
    for number in _SUBNETS:
        name, address = f"dvbtest{number}", f"198.18.{number}.1/24"
        made = run_as_root(
            [_program("ip"), "link", "add", name, "type", "bridge"], timeout_s=COMMAND_TIMEOUT_S
        )
        if made.returncode != 0:
            refusal = made.stderr.strip()
            continue
        for argv in (["addr", "add", address, "dev", name], ["link", "set", name, "up"]):
            run_as_root([_program("ip"), *argv], timeout_s=COMMAND_TIMEOUT_S)
        return name
    raise RuntimeError(f"no bridge could be made for the test engine: {refusal}")


def _await_answer(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    api = DockerApi(engine.host)
    while not api.ping():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = f"ended with {process.returncode}" if ended else f"did not answer in {START_TIMEOUT_S} s"
            raise RuntimeError(f"dockerd {what}:\n{log.read_text('utf-8', errors='replace')[-2000:]}")
        time.sleep(POLL_INTERVAL_S)


def _processes(engine: Engine) -> list[int]:
    """Return the processes that name the engine's folder on their command line: dockerd, containerd and shims."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        program = Path(words[0]).name
        if program.startswith(("dockerd", "containerd")) and any(
            engine.folder + "/" in word for word in words
        ):
            found.append(int(entry.name))
    return found


def _end_processes(engine: Engine) -> None:
    for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, COMMAND_TIMEOUT_S)):
        targets = _processes(engine)
        if not targets:
            return
        kill = f"kill -{int(number)} {' '.join(map(str, targets))}"  # the shell's own: a small system has no other
        run_as_root(["sh", "-c", kill], timeout_s=COMMAND_TIMEOUT_S)
        deadline = time.monotonic() + patience_s
        while _processes(engine) and time.monotonic() < deadline:
            _reap()
            time.sleep(POLL_INTERVAL_S)


def _reap() -> None:
    """Collect the daemon's ending when it is our own child: a zombie keeps its process id."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _unmount_below(folder: str) -> None:
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    for point in sorted((each for each in points if each.startswith(folder + "/")), reverse=True):
        run_as_root(["umount", "-l", point], timeout_s=COMMAND_TIMEOUT_S)


def _remove_control_groups(name: str) -> None:
    root = Path("/sys/fs/cgroup")
    tops = [
        root / name.lstrip("/"),
        *(entry / name.lstrip("/") for entry in root.iterdir() if entry.is_dir()),
    ]
    for top in tops:
        if top.is_dir():
            run_as_root(["find", str(top), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], timeout_s=30)
