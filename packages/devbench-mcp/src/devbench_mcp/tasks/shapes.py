"""What the extension defines, in the words of its specification (2026-07-28)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from mcp import MCPError, types
from mcp.server import ServerRequestContext

from devbench_core.values import frozen
from devbench_mcp.revisions import MODERN
from devbench_mcp.tasks.records import Outcome, TaskRecord

EXTENSION = "io.modelcontextprotocol/tasks"
MISSING_CAPABILITY = types.MISSING_REQUIRED_CLIENT_CAPABILITY
Status = Literal["working", "completed", "cancelled", "failed"]
"""Of the specification's five `input_required` never happens: no command asks its client for input."""


class TaskParams(types.RequestParams):
    """Parameters of ``tasks/get`` and ``tasks/cancel``."""

    task_id: str


class UpdateTaskParams(TaskParams):
    """Parameters of ``tasks/update``."""

    input_responses: dict[str, Any]


@frozen
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
        error: Of one that failed, as JSON-RPC carries it.
    """

    id: str
    status: Status
    message: str
    created_at: datetime
    updated_at: datetime
    ttl_ms: int | None
    poll_ms: int
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @classmethod
    def ended(cls, record: TaskRecord, outcome: Outcome, kept: timedelta, poll_ms: int) -> TaskView:
        """Return the view of a task that has ended, without its result."""
        lasts = max(outcome.at - record.created_at, timedelta()) + kept
        return cls(
            id=record.id,
            status=cast("Status", outcome.status),
            message=outcome.message,
            created_at=record.created_at,
            updated_at=max(outcome.at, record.created_at),
            ttl_ms=round(lasts.total_seconds() * 1000),
            poll_ms=poll_ms,
            error=json.loads(outcome.payload) if outcome.status == "failed" else None,
        )

    def wire(self, result_type: Literal["task", "complete"]) -> dict[str, Any]:
        """Return it as a result: ``task`` in place of a call's, ``complete`` for the rest."""
        return {"resultType": result_type, **self.detailed()}

    def detailed(self) -> dict[str, Any]:
        """Return it as the protocol carries it."""
        shown: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "statusMessage": self.message,
            "createdAt": self.created_at.isoformat(),
            "lastUpdatedAt": self.updated_at.isoformat(),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": self.poll_ms,
        }
        payload = {"result": self.result, "error": self.error}
        return {**shown, **{name: value for name, value in payload.items() if value is not None}}


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
