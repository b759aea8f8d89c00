"""Starting the PID 1 of a container.

Bwrap makes the namespaces and waits. Its child is put into its control groups and only then let go, so no process of a
container ever runs without its limits. The gate on which it waits has no end of file: if this process dies in the
middle the child waits for ever, has run nothing, and is found and ended by the next host.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from devbench_core.errors import AgentUnavailable, EngineFailed
from devbench_core.values import frozen
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups
from devbench_runtime_bubblewrap.children import CHILDREN
from devbench_runtime_bubblewrap.deletion import empty
from devbench_runtime_bubblewrap.folders import ContainerFolder, written_beside
from devbench_runtime_bubblewrap.identity import HostUser
from devbench_runtime_bubblewrap.processes import ProcessMark, boot_id, start_ticks
from devbench_runtime_bubblewrap.program import CLEAN_ENVIRONMENT, Program
from devbench_runtime_bubblewrap.sandbox.arguments import Arguments
from devbench_runtime_bubblewrap.sandbox.build import Builder
from devbench_runtime_bubblewrap.sandbox.host_root import find_host_root
from devbench_runtime_bubblewrap.sandbox.kept_etc import KeptEtc
from devbench_runtime_bubblewrap.seccomp import supports
from devbench_runtime_bubblewrap.seccomp.rules import build
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from devbench_runtime_bubblewrap.spec import StoredSpec
from devbench_runtime_bubblewrap.status import locked, read_report

POLL_S = 0.0005
LOG_SHOWN_BYTES = 2_000


@frozen
class Launcher:
    """What starting needs beside the container itself.

    Attributes:
        builder: Makes the arguments.
        user: As whom on this machine.
        groups: Where limits are kept.
        timeout_s: How long bwrap may take.
    """

    builder: Builder
    user: HostUser
    groups: ControlGroups
    timeout_s: float

    def launch(
        self, spec: StoredSpec, folder: ContainerFolder, root: Path | None, agent: Path, now: datetime
    ) -> int | None:
        """Start PID 1; blocking, for milliseconds.

        Returns:
            The number of the bwrap that we now have as a child, None when one runs already.

        Raises:
            AgentUnavailable: It could not be started; says what bwrap said.
            EngineFailed: The kernel refused a limit.
        """
        with locked(folder.status) as status:
            if status is None:
                return None
            folder.process.unlink(missing_ok=True)
            empty(folder.run)
            with Arguments() as arguments, _gate() as gate:
                self.builder.build(arguments, spec, folder, root, agent)
                arguments.add("--json-status-fd", str(status), "--block-fd", str(gate))
                command = arguments.command(str(self.builder.program.path), spec.argv)
                child = self._start(command, folder, (status, gate, *arguments.descriptors))
                try:
                    self._let_go(spec, folder, child, gate, now)
                finally:
                    CHILDREN.keep(child)
        return child.pid

    def _start(
        self, command: list[str], folder: ContainerFolder, descriptors: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(  # noqa: S603  (our own arguments, as a list)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=CLEAN_ENVIRONMENT,
                pass_fds=descriptors,
                start_new_session=True,
                umask=0o022,
                user=self.user.new_uid,
                group=self.user.new_gid,
                extra_groups=self.user.new_groups,
            )
        except OSError as error:
            raise EngineFailed(f"bwrap could not be started: {error}", hint="see devbench doctor") from error
        finally:
            os.close(log)

    def _let_go(
        self,
        spec: StoredSpec,
        folder: ContainerFolder,
        child: subprocess.Popen[bytes],
        gate: int,
        now: datetime,
    ) -> None:
        pid = None
        try:
            pid = self._first_process(folder, child)
            mark = self._bound(spec, folder, pid, now)
            with written_beside(folder.process, mark.dump()) as beside:
                os.write(gate, b"1")
                beside.replace(folder.process)
        except BaseException:
            _end(child, pid)
            raise

    def _bound(self, spec: StoredSpec, folder: ContainerFolder, pid: int, now: datetime) -> ProcessMark:
        """Put the waiting process under its limits and say who it is."""
        ticks = start_ticks(pid)
        if ticks is None:
            raise AgentUnavailable(refusal(folder), hint="see devbench doctor")
        try:
            self.groups.make(spec.container_id, spec.policy)
            self.groups.add(spec.container_id, pid)
        except OSError as error:
            raise EngineFailed(f"the limits of the container could not be set: {error}") from error
        return ProcessMark(pid=pid, start_ticks=ticks, boot=boot_id(), started_at=now)

    def _first_process(self, folder: ContainerFolder, child: subprocess.Popen[bytes]) -> int:
        """Wait until bwrap has told its child's number."""
        deadline = time.monotonic() + self.timeout_s
        while (pid := read_report(folder.status).pid) is None:
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                raise AgentUnavailable(refusal(folder), hint="see devbench doctor")
            if time.monotonic() > deadline:
                raise EngineFailed(
                    f"bwrap made no container within {self.timeout_s} s", hint="is the machine busy?"
                )
            time.sleep(POLL_S)
        return pid


def make_launcher(
    settings: BubblewrapSettings, program: Program, user: HostUser, groups: ControlGroups, etc: KeptEtc
) -> Launcher:
    """Look at this machine and return what starts containers on it; blocking."""
    machine = platform.machine()
    builder = Builder(
        program=program,
        host_root=find_host_root(),
        etc=etc,
        filter_program=build(machine) if supports(machine) else None,
        mounts=settings.read_only_mounts,
    )
    return Launcher(builder=builder, user=user, groups=groups, timeout_s=settings.start_timeout_s)


def _end(child: subprocess.Popen[bytes], pid: int | None) -> None:
    """End a bwrap that nobody has reaped yet, and its child, also one whose number it could not tell.

    Until it is let go, the child is in its parent's group; nobody else would ever find it, and it waits for ever.
    """
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)  # still our bwrap's child, so the number is not anybody else's
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


@contextmanager
def _gate() -> Generator[int]:
    """Give a pipe whose one descriptor reads and writes: whoever waits on it never sees its end."""
    reader, writer = os.pipe()
    try:
        gate = os.open(f"/proc/self/fd/{reader}", os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.close(reader)
        os.close(writer)
    try:
        yield gate
    finally:
        os.close(gate)


def refusal(folder: ContainerFolder) -> str:
    """Return a sentence on why a container did not start, with what was said on its stderr; blocking."""
    try:
        said = folder.log.read_bytes()[-LOG_SHOWN_BYTES:].decode(errors="replace").strip()
    except OSError:
        said = ""
    return f"the agent did not start in container {folder.path.name!r}: {said or 'nothing was said'}"
