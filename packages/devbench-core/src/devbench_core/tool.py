"""Tools: what clients can call, whatever front end they come through."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from pydantic import BaseModel, ConfigDict

from devbench_core.model.caller import LOCAL, Caller
from devbench_core.values import frozen

if TYPE_CHECKING:
    from devbench_core.bench import Bench
    from devbench_core.model.link import LinkMaker

__all__ = [
    "Handler",
    "ProgressSink",
    "Tool",
    "ToolContext",
    "ToolHints",
    "ToolInput",
    "ToolOutput",
    "ToolUnusable",
]

M = TypeVar("M", bound=BaseModel)


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


@frozen
class ToolHints:
    """What a client may assume before it calls (the four annotations of MCP).

    Attributes:
        read_only: It changes nothing: no container, no command, no file. Its scope is ``read``.
        destructive: It may end or overwrite what is there; a tool that says no only adds. Never with ``read_only``,
            and never with the scope ``read``.
        idempotent: A repeat with the same arguments changes nothing more.
        open_world: It reaches beyond this host, for example a registry or the internet.
    """

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


ProgressSink = Callable[[float, "float | None", str], Awaitable[None]]
"""Called with (done, total or None, message)."""


async def _no_progress(_done: float, _total: float | None, _message: str) -> None:
    return None


@frozen
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


Handler = Callable[[ToolContext, Any], Awaitable[ToolOutput]]
PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""``module:name``, both of them identifiers with dots."""


class ToolUnusable(Exception):
    """What a tool names as ``"module:name"`` is not there or not what it must be; for logs, not for clients."""


def _has_the_form(tool: Tool, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, str) and PLACE.fullmatch(value) is None:
        raise ValueError(f'tool {tool.name!r}: {field.alias} is {value!r}, not "module:name"')


@attrs.frozen(kw_only=True, eq=False)
class Tool:
    """One tool.

    Attributes:
        name: Unique, ``snake_case``, at most 64 characters.
        title: For people.
        description: Teaches an agent when and how to use it, in 40 to 1000 characters. What it names in backticks
            is there: a tool, an argument, a field of a result, or an error code.
        input: Model of the arguments; a subclass of `ToolInput`. Closed at every level, and every field described.
            Like the next two it may be given as ``"module:name"``: it is imported when it is first asked for, so that
            tools that nobody calls cost nothing. `ToolUnusable` is raised then when it is not there or of another
            type.
        output: Model of the structured result; a subclass of `ToolOutput`. It holds declared fields only, each
            described.
        hints: The four annotations.
        scope: What the caller needs: ``read``, ``exec``, ``write`` or ``manage``.
        handler: Does it. Raises `DevbenchError` for everything that a client should read, and lets those of core
            through with their codes. What else goes wrong it leaves to the caller of tools, which logs it and tells
            the client nothing of it. It ends when it is cancelled.
    """

    name: str
    title: str
    description: str
    _input: type[ToolInput] | str = attrs.field(alias="input", validator=_has_the_form)
    _output: type[ToolOutput] | str = attrs.field(alias="output", validator=_has_the_form)
    hints: ToolHints
    scope: str
    _handler: Handler | str = attrs.field(alias="handler", validator=_has_the_form)

    @property
    def input(self) -> type[ToolInput]:
        """The model of the arguments."""
        return self._model("input", self._input, ToolInput) if isinstance(self._input, str) else self._input

    @property
    def output(self) -> type[ToolOutput]:
        """The model of the result."""
        return (
            self._model("output", self._output, ToolOutput) if isinstance(self._output, str) else self._output
        )

    @property
    def handler(self) -> Handler:
        """What does it."""
        if not isinstance(self._handler, str):
            return self._handler
        found = self._imported("handler", self._handler)
        if not callable(found):
            raise ToolUnusable(f"tool {self.name!r}: its handler {self._handler!r} is not callable")
        return cast("Handler", found)

    def _model(self, field: str, place: str, base: type[M]) -> type[M]:
        found = self._imported(field, place)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise ToolUnusable(f"tool {self.name!r}: its {field} {place!r} is no subclass of {base.__name__}")
        return found

    def _imported(self, field: str, place: str) -> object:
        module, _, name = place.partition(":")
        try:
            return attrgetter(name)(import_module(module))
        except Exception as error:
            raise ToolUnusable(
                f"tool {self.name!r}: its {field} {place!r} cannot be imported: {type(error).__name__}: {error}"
            ) from error
