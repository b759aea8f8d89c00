"""A plugin with a few tools for tests of front ends, and what a test knows of a host that listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import attrs
from pydantic import Field

from devbench_core.errors import ConcurrencyLimit
from devbench_core.hookspecs import hookimpl
from devbench_core.tool import Tool, ToolContext, ToolHints, ToolInput, ToolOutput

HARMLESS = ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False)


class EchoInput(ToolInput):
    text: str = Field(default="", description="What to say.")
    times: int = Field(default=1, ge=1, le=3, description="How often.")


class EchoOutput(ToolOutput):
    text: str = Field(description="What was said.")
    subject: str = Field(description="By whom.")
    client: str = Field(description="Through which program.")


class WaitInput(ToolInput):
    pass


class WaitOutput(ToolOutput):
    pass


class Toolbox:
    """A plugin of somebody else: its tools are served like the built-in ones."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def _echo(self, context: ToolContext, given: EchoInput) -> EchoOutput:
        caller = context.caller
        return EchoOutput(text=given.text * given.times, subject=caller.subject, client=caller.client)

    async def _wait(self, context: ToolContext, _given: WaitInput) -> WaitOutput:
        await context.progress(1.0, 2.0, "half way")
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return WaitOutput()

    async def _busy(self, _context: ToolContext, _given: WaitInput) -> WaitOutput:
        raise ConcurrencyLimit("4 commands are running", hint="wait for one", details={"limit": 4})

    async def _broken(self, _context: ToolContext, _given: WaitInput) -> WaitOutput:
        raise RuntimeError("the password is hunter2")

    @hookimpl
    def devbench_tools(self) -> Sequence[Tool]:
        return [
            Tool(
                name="acme_echo",
                title="Echo",
                description="Says it again.",
                input=EchoInput,
                output=EchoOutput,
                hints=HARMLESS,
                scope="read",
                handler=self._echo,
            ),
            *(
                Tool(
                    name=f"acme_{name}",
                    title=name,
                    description=f"Is for tests: {name}.",
                    input=WaitInput,
                    output=WaitOutput,
                    hints=HARMLESS,
                    scope="exec",
                    handler=handler,
                )
                for name, handler in (("wait", self._wait), ("busy", self._busy), ("broken", self._broken))
            ),
        ]


@attrs.frozen(kw_only=True)
class Served:
    """A host that listens.

    Attributes:
        url: Of ``/mcp``.
        base: The same without a path.
        stopping: Set it to stop the host.
        stopped: Set once it has stopped.
    """

    url: str
    base: str
    stopping: asyncio.Event
    stopped: asyncio.Event


Serve = Callable[..., AbstractAsyncContextManager[Served]]
