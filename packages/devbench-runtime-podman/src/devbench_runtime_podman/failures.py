"""The border: Podman's answers in the words that all engines share, and the errors for one that does not answer."""

from __future__ import annotations

import json
from typing import Any

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.failures import translate as translate_shared
from devbench_core.errors import DevbenchError, EngineFailed, EngineUnreachable
from devbench_runtime_podman.endpoint import Endpoint

CONFLICT = 409
_MEANT = {
    CONFLICT: ("already in use", "already exists", "container state improper"),
    404: ("no such container",),  # it went while Podman looked
}
TRAPS = {
    "rlimit": "the service may not give containers as many files or processes as Podman's default says; set "
    "plugin.podman.open_files and user_processes, or default_ulimits in containers.conf",
    "cgroups in hybrid mode": 'crun refuses control groups of both versions; set runtime = "runc" beneath [engine] in '
    "containers.conf",
    "newuidmap": "a rootless service needs the package uidmap, and ranges for its user in /etc/subuid and /etc/subgid",
}


def answer_of(status: int, content: bytes) -> EngineAnswer:
    """Return an error that the service answered; Podman says 500 also where others say what it is."""
    try:
        told: dict[str, Any] = json.loads(content)
        message = str(told["message"])
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace").strip()
    if status == 500:
        status = next(
            (other for other, words in _MEANT.items() if any(each in message for each in words)), status
        )
    return EngineAnswer(status, message)


def translate(answer: EngineAnswer, doing: str, *, ref: str = "", image: str = "") -> DevbenchError:
    """Return the error for an answer; the ways in which Podman is usually set up wrong come with their remedy."""
    hint = next((advice for words, advice in TRAPS.items() if words in answer.message), "")
    if hint:
        return EngineFailed(f"Podman could not {doing}: {answer.message}", hint=hint)
    return translate_shared(answer, doing, ref=ref, image=image)


def unreachable(endpoint: Endpoint, error: BaseException) -> EngineUnreachable:
    """Return the error for a connection that failed or broke."""
    hint = "does the service run? (systemctl start podman.socket); devbench doctor tells more"
    causes = _causes(error)
    if any(isinstance(cause, PermissionError) for cause in causes):
        hint = "this user may not reach the socket; a rootless service of its own does (devbench doctor tells more)"
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), causes[-1])
    text = str(system) or type(system).__name__
    return EngineUnreachable(
        f"Podman at {endpoint.address} ({endpoint.source}) does not answer: {text}", hint=hint
    )


def silent(endpoint: Endpoint, doing: str, setting: str, timeout_s: float) -> EngineUnreachable:
    """Return the error for a service that took too long."""
    return EngineUnreachable(
        f"Podman at {endpoint.address} did not {doing} within {timeout_s:g} s",
        hint=f"the outcome is not known; plugin.podman.{setting} is the bound",
        details={"setting": f"plugin.podman.{setting}", "timeout_s": timeout_s},
    )


def _causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None and cause not in found:
        found.append(cause)
    return found
