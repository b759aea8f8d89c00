"""The one way to call a tool, so that arguments, scopes and errors are the same behind every front end."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from devbench_core.errors import DevbenchError, PluginNotFound, Unauthorised
from devbench_core.json_types import JsonObject
from devbench_core.logs import get_logger
from devbench_core.metrics import TOOL_CALLS
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.nearest import suggestion
from devbench_core.tool import ProgressSink, Tool, ToolContext, ToolOutput, ToolUnusable
from devbench_core.tools.arguments import validate
from devbench_core.tools.payload import error_payload
from devbench_core.values import frozen

if TYPE_CHECKING:
    from devbench_core.bench import Bench
    from devbench_core.model.link import LinkMaker

log = get_logger(__name__)
__all__ = ["ToolResult", "call_tool", "error_payload"]
FRAMES_MAX = 20
UNKNOWN = "unknown"
"""Label of calls of unknown tools: names that clients invent must not become metrics."""


@frozen
class ToolResult:
    """What a call gave.

    Attributes:
        output: The model that the handler returned.
        structured: The same as JSON values; what is absent (None) is left out.
    """

    output: ToolOutput
    structured: JsonObject


async def call_tool(
    bench: Bench,
    name: str,
    arguments: Mapping[str, object] | None = None,
    *,
    caller: Caller = LOCAL,
    progress: ProgressSink | None = None,
    leave_after_s: float | None = None,
    links: LinkMaker | None = None,
) -> ToolResult:
    """Call a tool by name.

    Cancelling the call ends the wait for it. A command that it started or follows goes on, but for that of `run`,
    which ends unless it was told otherwise.

    Args:
        bench: The opened core.
        name: Which tool.
        arguments: As JSON values.
        caller: Who asks.
        progress: Told how far long work is; None when nobody asked.
        leave_after_s: See `ToolContext`.
        links: See `ToolContext`.

    Raises:
        PluginNotFound: There is no such tool; names the nearest.
        Unauthorised: The caller lacks the tool's scope; nothing was validated or done.
        ValidationFailed: An argument is unknown, missing or out of bounds; nothing was done.
        DevbenchError: Whatever the tool itself raises; code ``internal`` for what it did not foresee: the log tells
            more, the client learns no secrets.
    """
    tool = bench.tools.get(name)
    if tool is None:
        TOOL_CALLS.labels(UNKNOWN, PluginNotFound.code).inc()
        raise PluginNotFound(f"there is no tool {name[:80]!r}", hint=suggestion(name[:80], bench.tools))
    try:
        context = ToolContext(bench=bench, caller=caller, leave_after_s=leave_after_s, links=links)
        if progress is not None:
            context = attrs.evolve(context, progress=progress)
        result = await _call(context, tool, arguments or {})
    except DevbenchError as error:
        TOOL_CALLS.labels(name, error.code).inc()
        raise
    except ToolUnusable as error:
        TOOL_CALLS.labels(name, DevbenchError.code).inc()
        log.error("tool.unusable", tool=name, correlation=caller.correlation_id, error=str(error))  # noqa: TRY400
        raise DevbenchError(
            f"tool {name!r} cannot be used: its plugin is faulty",
            hint="the host's log tells more; look for tool.unusable",
        ) from error
    except Exception as error:
        TOOL_CALLS.labels(name, DevbenchError.code).inc()
        # Plain frames: a renderer that shows local variables would show secrets.
        frames = "".join(traceback.format_exception(error, limit=FRAMES_MAX))
        log.error("tool.failed", tool=name, correlation=caller.correlation_id, frames=frames)  # noqa: TRY400
        raise DevbenchError(
            f"tool {name!r} failed unexpectedly", hint="the host's log tells more; look for tool.failed"
        ) from error
    TOOL_CALLS.labels(name, "ok").inc()
    return result


async def _call(context: ToolContext, tool: Tool, arguments: Mapping[str, object]) -> ToolResult:
    caller = context.caller
    if tool.scope not in caller.scopes:
        raise Unauthorised(
            f"tool {tool.name!r} needs the scope {tool.scope!r}, which {caller.subject!r} does not have",
            hint=f"your scopes: {', '.join(sorted(caller.scopes)) or 'none'}",
            details={"scope": tool.scope},
        )
    given = validate(tool, arguments)
    output = await tool.handler(context, given)
    return ToolResult(output=output, structured=output.model_dump(mode="json", exclude_none=True))
