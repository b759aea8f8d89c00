"""The border: what the engine says becomes an error of devbench, once, with its cause kept."""

from __future__ import annotations

from devbench_core.contracts.runtime import AGENT_PATH
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.names import split_ref
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    ContainerExited,
    ContainerNotFound,
    DevbenchError,
    EngineFailed,
    ImageNotFound,
)

_NO_IMAGE = ("no such image", "image not known")
_NOT_RUNNING = ("is not running", "on running containers")
_AGENT_REASONS = {
    "exec format error": "the agent is built for another architecture than this engine",
    "permission denied": "the engine refuses to execute the agent (is its volume folder mounted noexec?)",
    "no such file or directory": "the agent's volume was emptied",
    "operation not permitted": "the engine refuses to execute the agent",
}


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
    if answer.status == 404 and image and (not ref or any(words in text for words in _NO_IMAGE)):
        return ImageNotFound(f"the engine has no image {image!r}", hint="pull it, or name one that is there")
    if answer.status == 404 and ref:
        return ContainerNotFound(f"the engine has no container {container!r}")
    if answer.status == 409 and ref:
        if "already in use" in text:
            return Conflict(f"a container {container!r} exists already", hint="list shows it")
        if any(words in text for words in _NOT_RUNNING):
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
        f"the engine could not {doing}{f' {about!r}' if about else ''}: {answer.message}",
        details={"status": answer.status},
    )


def _agent_reason(text: str) -> str:
    if str(AGENT_PATH) not in text:
        return ""
    return next((reason for words, reason in _AGENT_REASONS.items() if words in text), "")
