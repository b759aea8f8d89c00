"""What the command line does: keep engines for development, or lend them to one command."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engines import daemon, images, podman, signals
from engines.api import DockerApi
from engines.install import install_missing
from engines.places import (
    DOCKER_HOST_VARIABLE,
    KEPT_FOLDER,
    KEPT_PODMAN_FOLDER,
    PODMAN_HOST_VARIABLE,
    PRIVATE_PARENT,
    PRIVATE_PREFIX,
    PRIVATE_VARIABLE,
)
from engines.privilege import PrivilegeMissingError, become_root, give_back
from engines.progress import say

CHILD_GRACE_S = 30
_DEFAULT_HOST = "unix:///var/run/docker.sock"


def main(arguments: Sequence[str]) -> int:
    """Run one of the subcommands and return the exit code."""
    parser = argparse.ArgumentParser(prog="engines", description="Engines for devbench's tests.")
    subcommands = parser.add_subparsers(dest="command", required=True)
    subcommands.add_parser("up", help="install and start what tests need, and keep it running")
    subcommands.add_parser("stop", help="stop what `up` started, and remove its files")
    subcommands.add_parser("status", help="say what runs")
    run = subcommands.add_parser("run", help="run a command with engines that go when it ends")
    run.add_argument("words", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    signals.install()
    try:
        match chosen.command:
            case "up":
                return _up()
            case "stop":
                return _stop()
            case "status":
                return _status()
            case _:
                return _run(chosen.words[1:] if chosen.words[:1] == ["--"] else chosen.words)
    except (PrivilegeMissingError, RuntimeError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything that was started is gone")
        return 130


def _up() -> int:
    install_missing()
    engine = daemon.load(KEPT_FOLDER)
    if engine is None or not DockerApi(engine.host).ping():
        if engine is not None:
            daemon.stop(engine)
        engine = daemon.start(KEPT_FOLDER, owner_pid=0)
    images.provide(engine.host)
    service = podman.load(KEPT_PODMAN_FOLDER)
    if service is None or not DockerApi(service.host).ping():
        if service is not None:
            podman.stop(service)
        service = podman.start(KEPT_PODMAN_FOLDER, owner_pid=0)
    say("ready; for your shell:")
    _print_exports(engine.host, service.host)
    return 0


def _print_exports(host: str, podman_host: str) -> None:
    for name, value in _environment(host, podman_host).items():
        print(f"export {name}={value}")  # noqa: T201  # the program's answer, to be copied


def _stop() -> int:
    engine, service = daemon.load(KEPT_FOLDER), podman.load(KEPT_PODMAN_FOLDER)
    if engine is None and service is None:
        say("nothing was started")
    if engine is not None:
        daemon.stop(engine)
    if service is not None:
        podman.stop(service)
    return 0


def _status() -> int:
    engine, service = daemon.load(KEPT_FOLDER), podman.load(KEPT_PODMAN_FOLDER)
    if (
        engine is None
        or service is None
        or not all(DockerApi(each.host).ping() for each in (engine, service))
    ):
        say("not all test engines run; start them with: nox -s engines")
        return 1
    _print_exports(engine.host, service.host)
    return 0


def _run(argv: list[str]) -> int:
    become_root([sys.executable, *sys.argv])
    try:
        install_missing()
        _sweep_orphans()
        with _docker() as host, _podman() as podman_host:
            environment = {**os.environ, **_environment(host, podman_host)}
            say(f"running {' '.join(argv[:4])} …")
            return _supervise(argv, environment)
    finally:
        give_back(Path(__file__).resolve().parents[2])


def _environment(host: str, podman_host: str) -> dict[str, str]:
    return {DOCKER_HOST_VARIABLE: host, "DOCKER_HOST": host, PODMAN_HOST_VARIABLE: podman_host}


def _supervise(argv: list[str], environment: dict[str, str]) -> int:
    """Run the command; when we are interrupted so is it, and its own cleaning up comes before ours."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with signals.deferred():
            process = subprocess.Popen(argv, env=environment)
        return process.wait()
    except KeyboardInterrupt as interrupt:
        if process is not None:
            if isinstance(interrupt, signals.TerminatedError):
                process.send_signal(signal.SIGINT)
            _await_end(process)
        raise


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(CHILD_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _docker() -> Generator[str]:
    """Lend a Docker engine: one that answers already, else a private one that goes afterwards."""
    host = None if os.environ.get(PRIVATE_VARIABLE) else answering_host()
    if host is not None:
        say(f"using the Docker engine that answers at {host}")
        imported = images.provide(host)
        try:
            yield host
        finally:
            kept = daemon.load(KEPT_FOLDER)
            for reference in imported if kept is None or kept.host != host else []:
                DockerApi(host).remove_image(reference)
        return
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=PRIVATE_PARENT))
    engine = daemon.start(folder, owner_pid=os.getpid())
    try:
        images.provide(engine.host)
        yield engine.host
    finally:
        with signals.ignored():
            daemon.stop(engine)


@contextmanager
def _podman() -> Generator[str]:
    """Lend a Podman service: the one that was started for tests, else a private one that goes afterwards.

    Never the machine's own. Its images are made by the first test that wants one.
    """
    host = None if os.environ.get(PRIVATE_VARIABLE) else answering_podman()
    if host is not None:
        say(f"using the Podman service that answers at {host}")
        yield host
        return
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=PRIVATE_PARENT))
    service = podman.start(folder, owner_pid=os.getpid())
    try:
        yield service.host
    finally:
        with signals.ignored():
            podman.stop(service)


def answering_podman() -> str | None:
    """Return the address of a Podman service for tests that answers: a chosen one, or the kept one."""
    kept = podman.load(KEPT_PODMAN_FOLDER)
    for candidate in (os.environ.get(PODMAN_HOST_VARIABLE), kept and kept.host):
        if candidate and candidate.startswith("unix://") and DockerApi(candidate).ping():
            return candidate
    return None


def answering_host() -> str | None:
    """Return the address of the first Docker engine that answers: a chosen one, the kept one, or the machine's."""
    kept = daemon.load(KEPT_FOLDER)
    candidates = [
        os.environ.get(DOCKER_HOST_VARIABLE), kept and kept.host, os.environ.get("DOCKER_HOST"), _DEFAULT_HOST
    ]  # fmt: skip
    for candidate in candidates:
        if candidate and candidate.startswith("unix://") and DockerApi(candidate).ping():
            return candidate
    return None


def _sweep_orphans() -> None:
    """Stop private engines whose owner was killed before it could."""
    for folder in PRIVATE_PARENT.glob(f"{PRIVATE_PREFIX}*"):
        engine = daemon.load(folder)
        if engine is not None and not Path(f"/proc/{engine.owner_pid}").exists():
            say(f"an earlier run left an engine in {folder}")
            daemon.stop(engine)
        service = podman.load(folder)
        if service is not None and not Path(f"/proc/{service.owner_pid}").exists():
            say(f"an earlier run left a Podman service in {folder}")
            podman.stop(service)
