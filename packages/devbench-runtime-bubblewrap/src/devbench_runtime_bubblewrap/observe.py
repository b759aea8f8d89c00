"""What can be seen of a container; all blocking."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from devbench_core.model.container import Observed, Status
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups
from devbench_runtime_bubblewrap.folders import ContainerFolder
from devbench_runtime_bubblewrap.processes import ProcessMark, open_process, read_mark
from devbench_runtime_bubblewrap.spec import StoredSpec
from devbench_runtime_bubblewrap.status import Report, bwrap_lives, read_report

REPORT_S = 1.0
REPORT_POLL_S = 0.001
KILLED = 128 + signal.SIGKILL


def observe(spec: StoredSpec, folder: ContainerFolder, groups: ControlGroups) -> Observed:
    """Return the state of a container."""
    mark = read_mark(folder.process)
    if mark is None:
        return _observed(spec, Status.CREATING)
    if mark.alive:
        return _observed(spec, Status.RUNNING, mark)
    report = _last_report(folder)
    return Observed(
        ref=spec.container_id,
        container_id=spec.container_id,
        status=Status.EXITED,
        exit_code=report.exit_code,
        out_of_memory=report.exit_code == KILLED and groups.out_of_memory(spec.container_id),
        started_at=mark.started_at,
        finished_at=max(report.written_at or mark.started_at, mark.started_at),
        labels=spec.all_labels(),
    )


def _last_report(folder: ContainerFolder) -> Report:
    """Return the report of a container whose PID 1 is gone, giving its bwrap the moment that it needs to write it."""
    deadline = time.monotonic() + REPORT_S
    while bwrap_lives(folder.status) and time.monotonic() < deadline:
        time.sleep(REPORT_POLL_S)
    return read_report(folder.status)


def _observed(spec: StoredSpec, status: Status, mark: ProcessMark | None = None) -> Observed:
    return Observed(
        ref=spec.container_id,
        container_id=spec.container_id,
        status=status,
        started_at=mark.started_at if mark else None,
        labels=spec.all_labels(),
    )


def open_first_process(folder: ContainerFolder) -> int | None:
    """Return a descriptor of a container's PID 1, None when it has none; the caller closes it.

    Also of one that a dead host left waiting before it was let go: its bwrap still holds the report's lock, so the
    number in the report is that of a living child and nobody else's.
    """
    mark = read_mark(folder.process)
    if mark is not None:
        return open_process(mark)
    pid = read_report(folder.status).pid
    if pid is None:
        return None
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        if bwrap_lives(folder.status):  # looked at after opening: it was alive all the time
            return descriptor
        os.close(descriptor)
    return None
