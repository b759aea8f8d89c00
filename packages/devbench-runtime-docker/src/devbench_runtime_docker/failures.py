"""The errors for an engine that does not answer, or too late."""

from __future__ import annotations

from devbench_core.errors import EngineUnreachable
from devbench_runtime_docker.endpoint import Endpoint


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
