"""What the engine shows of a container, in devbench's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devbench_core.contracts.runtime import LABEL_CONTAINER
from devbench_core.engines.answers import table
from devbench_core.engines.calls import Found
from devbench_core.engines.moments import moment
from devbench_core.engines.names import LABEL_MORE_VOLUMES, LABEL_WORKSPACE, container_name, make_ref
from devbench_core.model.container import Observed, Status

KILLED_EXIT_CODE = 137
_STATUS = {  # Docker's words and Podman's
    "created": Status.CREATING,
    "configured": Status.CREATING,
    "initialized": Status.CREATING,
    "running": Status.RUNNING,
    "paused": Status.RUNNING,
    "restarting": Status.RUNNING,
    "stopping": Status.RUNNING,
    "removing": Status.EXITED,
    "exited": Status.EXITED,
    "stopped": Status.EXITED,
    "dead": Status.EXITED,
}


def ref_of(shown: dict[str, Any]) -> str:
    """Return the ref of a container that the engine showed."""
    return _ref(str(shown["Name"]).lstrip("/"), table(shown, "Config", "Labels"))


def observed(shown: dict[str, Any]) -> Observed:
    """Return what an inspection shows."""
    state = shown["State"]
    labels: dict[str, str] = table(shown, "Config", "Labels")
    status = _STATUS.get(str(state.get("Status")), Status.UNKNOWN)
    exited = status is Status.EXITED
    exit_code = state.get("ExitCode") if exited else None
    return Observed(
        ref=ref_of(shown),
        container_id=labels.get(LABEL_CONTAINER, ""),
        status=status,
        exit_code=exit_code,
        # Engines set it as soon as any process was killed for memory; only PID 1's killing ended the container.
        out_of_memory=bool(exited and state.get("OOMKilled") and exit_code == KILLED_EXIT_CODE),
        started_at=moment(state.get("StartedAt")),
        finished_at=moment(state.get("FinishedAt")) if exited else None,
        labels=dict(labels),
    )


def unknown(row: Found) -> Observed:
    """Return what a list alone shows of a container: that it is there, and whose it is."""
    container_id = row.labels.get(LABEL_CONTAINER, "")
    return Observed(
        ref=_ref(container_name(container_id), row.labels),
        container_id=container_id,
        status=Status.UNKNOWN,
        labels=dict(row.labels),
    )


def _ref(name: str, labels: Mapping[str, str]) -> str:
    more = str(labels.get(LABEL_MORE_VOLUMES, ""))
    count = int(more) if more.isascii() and more.isdigit() else 0
    return make_ref(name, labels.get(LABEL_WORKSPACE, ""), count)
