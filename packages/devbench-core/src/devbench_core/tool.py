"""Tools: what clients can call, whatever front end they come through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import BaseModel, ConfigDict

from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.link import LinkMaker

if TYPE_CHECKING:
    from devbench_core.bench import Bench


class ToolInput(BaseModel):
    """Base of every tool's input: unknown arguments are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # built when the tool is used


class ToolOutput(BaseModel):
    """Base of every tool's output."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    @property
    def resource_links(self) -> tuple[str, ...]:
        """Addresses of what is too large for the result, which front ends that have a form for such show."""
        return ()


@attrs.frozen(kw_only=True)
class ToolHints:
    """What a client may assume before it calls (the four annotations of MCP)."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


ProgressSink = Callable[[float, "float | None", str], Awaitable[None]]
"""Called with (done, total or None, message)."""


async def _no_progress(_done: float, _total: float | None, _message: str) -> None:
    return None


@attrs.frozen(kw_only=True)
class ToolContext:
    """What a handler is given beside its input.

    Attributes:
        bench: The opened core.
        caller: Who calls.
        progress: Reports progress to the client; does nothing where the client did not ask.
        leave_after_s: The front end asks for the rest itself when the work takes longer than this; a tool that
            can answers then with what there is. None: it waits as its arguments say.
        links: Makes addresses for what is too large for a result; None where nobody serves them.
    """

    bench: Bench
    caller: Caller = LOCAL
    progress: ProgressSink = _no_progress
    leave_after_s: float | None = None
    links: LinkMaker | None = None

    @property
    def is_followed(self) -> bool:
        """Whether the client asked for progress, so that looking for some is worth the work."""
        return self.progress is not _no_progress


@attrs.frozen(kw_only=True, eq=False)
class Tool:
    """One tool.

    Attributes:
        name: Unique, ``snake_case``.
        title: For people.
        description: Teaches an agent when and how to use it.
        input: Model of the arguments; a subclass of `ToolInput`.
        output: Model of the structured result; a subclass of `ToolOutput`.
        hints: The four annotations.
        scope: What the caller needs: ``read``, ``exec``, ``write`` or ``manage``.
        handler: Does it. Raises `DevbenchError` for everything that a client should read.
    """

    name: str
    title: str
    description: str
    input: type[ToolInput]
    output: type[ToolOutput]
    hints: ToolHints
    scope: str
    handler: Callable[[ToolContext, Any], Awaitable[ToolOutput]]
