"""What the handlers of all methods share: who calls, and errors as the protocol carries them."""

from __future__ import annotations

import secrets
from typing import Any

import attrs
from mcp import MCPError, types
from mcp.server import ServerRequestContext

from devbench_core.errors import DevbenchError, NotFound, Unauthorised, ValidationFailed
from devbench_core.model.caller import Caller
from devbench_core.tools.payload import error_payload
from devbench_mcp.guard import CALLER
from devbench_mcp.live import Live
from devbench_mcp.revisions import MODERN

CLIENT_NAME_MAX = 100
RESOURCE_NOT_FOUND = -32002
"""Of the revisions before `MODERN`, which has no code of its own for it."""


Context = ServerRequestContext[Live, Any]


def caller_of(context: ServerRequestContext[Any, Any], local: Caller) -> Caller:
    """Return who calls: the token's principal over HTTP, ``local`` where no token was asked for."""
    caller = local
    if context.request is not None:
        caller = context.request.scope.get(CALLER, caller)
    client = context.session.client_params
    return attrs.evolve(
        caller,
        client=client.client_info.name[:CLIENT_NAME_MAX] if client else "",
        correlation_id=secrets.token_hex(8),
    )


def need_scope(caller: Caller, scope: str, what: str) -> None:
    """Check that a caller may do something.

    Raises:
        Unauthorised: It lacks the scope.
    """
    if scope not in caller.scopes:
        raise Unauthorised(
            f"{what} needs the scope {scope!r}, which {caller.subject!r} does not have",
            hint=f"your scopes: {', '.join(sorted(caller.scopes)) or 'none'}",
            details={"scope": scope},
        )


def protocol_error(error: DevbenchError, *, not_found: int = types.INVALID_PARAMS) -> MCPError:
    """Return an error as JSON-RPC carries it; ``data`` holds what a tool's error would."""
    match error:
        case NotFound():
            code = not_found
        case ValidationFailed():
            code = types.INVALID_PARAMS
        case Unauthorised():
            code = types.INVALID_REQUEST
        case _:
            code = types.INTERNAL_ERROR
    return MCPError(code, str(error), error_payload(error))


def resource_not_found(context: ServerRequestContext[Any, Any]) -> int:
    """Return the code for a resource that is not there, in the client's revision."""
    return types.INVALID_PARAMS if context.protocol_version >= MODERN else RESOURCE_NOT_FOUND
