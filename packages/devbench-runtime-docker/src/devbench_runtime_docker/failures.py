"""The border: what the engine says becomes an error of devbench, once, with its cause kept."""

from __future__ import annotations

from devbench_core.contracts.runtime import AGENT_PATH
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    ContainerExited,
    ContainerNotFound,
    DevbenchError,
    EngineFailed,
    EngineUnreachable,
    ImageNotFound,
)
from devbench_runtime_docker.endpoint import Endpoint
from devbench_runtime_docker.names import split_ref

TEXT_MAX = 500
_AGENT_REASONS = {
    "exec format error": "the agent is built for another architecture than this engine",
    "permission denied": "the engine refuses to execute the agent (is its volume folder mounted noexec?)",
    "no such file or directory": "the agent's volume was emptied",
    "operation not permitted": "the engine refuses to execute the agent",
}


class EngineAnswer(Exception):
    """An answer of the engine that is an error: its HTTP status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message[:TEXT_MAX]


def translate(answer: EngineAnswer, doing: str, *, ref: str = "", image: str = "") -> DevbenchError:
    """Return the error for an answer.

    Args:
        answer: What the engine said.
        doing: What was asked, for people: ``start``, ``create``.
        ref: The container that it was about, if any.
        image: The image that it was about, if any.
    """
    text = answer.message.lower()
    container = split_ref(ref)[0]
    if answer.status == 404 and image and (not ref or "no such image" in text):
        return ImageNotFound(f"the engine has no image {image!r}", hint="pull it, or name one that is there")
    if answer.status == 404 and ref:
        return ContainerNotFound(f"the engine has no container {container!r}")
    if answer.status == 409 and ref:
        if "already in use" in text:
            return Conflict(f"a container {container!r} exists already", hint="list shows it")
        if "is not running" in text:
            return ContainerExited(f"the container {container!r} does not run")
    reason = _agent_reason(text)
    if reason:
        return AgentUnavailable(
            f"container {container!r} cannot run the agent: {reason}",
            hint="see devbench doctor",
            details={"engine": answer.message},
        )
    about = container or image
    return EngineFailed(
        f"Docker could not {doing}{f' {about!r}' if about else ''}: {answer.message}",
        details={"status": answer.status},
    )


def unreachable(endpoint: Endpoint, error: BaseException) -> EngineUnreachable:
    """Return the error for a connection that failed or broke."""
    cause = getattr(error, "os_error", None) or error
    hint = "is the Docker daemon running? devbench doctor tells more"
    if isinstance(cause, PermissionError):
        hint = "may this user reach the socket? (group docker); devbench doctor tells more"
    text = str(cause) or type(cause).__name__
    return EngineUnreachable(
        f"Docker at {endpoint.address} ({endpoint.source}) does not answer: {text}", hint=hint
    )


def silent(endpoint: Endpoint, doing: str, setting: str, timeout_s: float) -> EngineUnreachable:
    """Return the error for an engine that took too long."""
    return EngineUnreachable(
        f"Docker at {endpoint.address} did not {doing} within {timeout_s:g} s",
        hint=f"the outcome is not known; plugin.docker.{setting} is the bound",
        details={"setting": f"plugin.docker.{setting}", "timeout_s": timeout_s},
    )


def _agent_reason(text: str) -> str:
    if str(AGENT_PATH) not in text:
        return ""
    return next((reason for words, reason in _AGENT_REASONS.items() if words in text), "")
