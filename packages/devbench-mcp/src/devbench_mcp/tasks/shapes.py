"""What the extension defines, in the words of its specification (2026-07-28)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import attrs
from mcp import MCPError, types
from mcp.server import ServerRequestContext

from devbench_mcp.context import MODERN

EXTENSION = "io.modelcontextprotocol/tasks"
MISSING_CAPABILITY = types.MISSING_REQUIRED_CLIENT_CAPABILITY
Status = Literal["working", "completed", "cancelled"]
"""Of the specification's five the two others never happen: no command asks for input, and none fails as JSON-RPC."""


class TaskParams(types.RequestParams):
    """Parameters of ``tasks/get`` and ``tasks/cancel``."""

    task_id: str


class UpdateTaskParams(TaskParams):
    """Parameters of ``tasks/update``."""

    input_responses: dict[str, Any]


@attrs.frozen(kw_only=True)
class TaskView:
    """A task as clients see it.

    Attributes:
        id: Opaque, ``t_…``.
        status: Where it stands.
        message: One sentence about that.
        created_at: When the call was answered, UTC.
        updated_at: When its status last changed, UTC.
        ttl_ms: From creation until it may be forgotten; None while it works.
        poll_ms: How often to ask.
        result: Of the call, once it is completed.
    """

    id: str
    status: Status
    message: str
    created_at: datetime
    updated_at: datetime
    ttl_ms: int | None
    poll_ms: int
    result: dict[str, Any] | None = None

    def wire(self, result_type: Literal["task", "complete"]) -> dict[str, Any]:
        """Return it as the protocol carries it: ``task`` in place of a call's result, ``complete`` for the rest."""
        shown: dict[str, Any] = {
            "resultType": result_type,
            "taskId": self.id,
            "status": self.status,
            "statusMessage": self.message,
            "createdAt": self.created_at.isoformat(),
            "lastUpdatedAt": self.updated_at.isoformat(),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": self.poll_ms,
        }
        return shown if self.result is None else {**shown, "result": self.result}


def declared(context: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client declared the extension on this request; earlier revisions cannot."""
    capabilities = context.session.client_capabilities
    extensions = (capabilities.extensions if capabilities else None) or {}
    return context.protocol_version >= MODERN and EXTENSION in extensions


def require(context: ServerRequestContext[Any, Any]) -> None:
    """Check that a client may use the extension's methods.

    Raises:
        MCPError: Its revision has no such method, or it did not declare the extension.
    """
    if context.protocol_version < MODERN:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
    if not declared(context):
        data: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(MISSING_CAPABILITY, f"the client did not declare the extension {EXTENSION}", data)
