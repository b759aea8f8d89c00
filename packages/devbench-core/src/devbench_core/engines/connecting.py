"""Reaching the agent: by its own socket where that can be done, else by the engine.

The engine's ways are the stream that PID 1 was started with, once, and bridges.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from devbench_core.channel.unix import UnixStream
from devbench_core.contracts.runtime import AGENT_PATH, SOCKET_PATH
from devbench_core.contracts.stream import ByteStream
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.attached import AttachedStream
from devbench_core.engines.calls import EngineCalls
from devbench_core.engines.direct import Forbidden, reach
from devbench_core.engines.names import split_ref
from devbench_core.engines.observe import observed
from devbench_core.engines.stash import Stash
from devbench_core.errors import (
    AgentSilent,
    AgentUnavailable,
    ContainerExited,
    ContainerNotFound,
    DevbenchError,
)
from devbench_core.model.container import Status

NOT_EXECUTABLE = "exec format error"


class Connector:
    """Opens streams to the agents of one engine's containers.

    Attributes:
        may_go_direct: Whether this process may look into containers, as far as is known.
    """

    def __init__(
        self, engine: EngineCalls, stash: Stash, show: Callable[[str], Awaitable[dict[str, Any]]]
    ) -> None:
        self._engine = engine
        self._stash = stash
        self._show = show
        self.may_go_direct = engine.settings.direct and engine.is_local

    async def attach(self, ref: str) -> AttachedStream:
        """Attach to PID 1, which is not started yet, so that nothing it says is missed."""
        name, _ = split_ref(ref)
        try:
            return await self._engine.attach(name)
        except EngineAnswer as answer:
            raise self._engine.translate(answer, "attach to", ref=ref) from answer

    async def connect(self, ref: str) -> ByteStream:
        """Return a stream to the agent.

        Raises:
            ContainerNotFound: No such container.
            ContainerExited: It does not run.
            AgentUnavailable: The agent stays silent; says what it wrote to stderr.
            EngineUnreachable: The engine did not answer.
        """
        stream = self._stash.take(ref)
        if stream is not None:
            with contextlib.suppress(
                AgentUnavailable
            ):  # it broke while it was kept; a bridge tells whether the agent lives
                if await self.hear(stream, ref) and not stream.is_broken:
                    return await self._shortcut(stream, ref)
            await self.check_running(ref, stream.diagnostic)
        direct = await self._direct(ref)
        if direct is not None:
            return direct
        _, stream = await self.execute(ref, self.bridge_argv(SOCKET_PATH))
        if await self.hear(stream, ref):
            return stream
        await self.check_running(ref, stream.diagnostic)
        raise AgentUnavailable(
            f"the agent of {split_ref(ref)[0]!r} does not answer{_said(stream.diagnostic)}", hint="try again"
        )

    async def _shortcut(self, stream: AttachedStream, ref: str) -> ByteStream:
        """Return the direct way if there is one; the stream that was opened with the container then waits on."""
        try:
            direct = await self._direct(ref, stream.diagnostic)
        except (ContainerExited, ContainerNotFound):
            stream.abort()
            raise
        except DevbenchError:
            return stream
        except BaseException:
            stream.abort()
            raise
        if direct is None:
            return stream
        if stream.is_broken:
            stream.abort()
        else:
            self._stash.put(ref, stream)
        return direct

    async def _direct(self, ref: str, diagnostic: str = "") -> UnixStream | None:
        """Connect to the agent's own socket; None where that cannot be done.

        Raises:
            ContainerExited: It does not run.
        """
        if not self.may_go_direct:
            return None
        shown = await self._show(ref)
        _refuse_ended(shown, ref, diagnostic)
        try:
            return await reach(str(shown["Id"]), int(shown["State"].get("Pid") or 0))
        except Forbidden:
            self.may_go_direct = False
            return None

    @staticmethod
    def bridge_argv(socket: PurePosixPath, pid: int = 1) -> tuple[str, ...]:
        """Return the command that carries bytes to the agent with this number that listens there."""
        return (str(AGENT_PATH), "connect", "--socket", str(socket), "--peer", str(pid))

    async def execute(self, ref: str, argv: Sequence[str], *, user: str = "") -> tuple[str, AttachedStream]:
        """Start the agent's program once more in a container; return the exec's id and its standard streams.

        Args:
            ref: The container.
            argv: The command line.
            user: As whom, ``uid:gid``; "" for the container's user.

        Raises:
            ContainerNotFound: No such container.
            ContainerExited: It does not run.
            EngineFailed: The engine could not start it.
        """
        name, _ = split_ref(ref)
        try:
            return await self._engine.execute(name, argv, user)
        except EngineAnswer as answer:
            raise self._engine.translate(answer, "reach the agent of", ref=ref) from answer

    async def hear(self, stream: AttachedStream, ref: str) -> bool:
        """Wait for the agent's first bytes; close the stream when they do not come."""
        bound = self._engine.settings.agent_timeout_s
        heard = False
        try:
            async with asyncio.timeout(bound):
                heard = await stream.await_first()
        except TimeoutError as error:
            raise AgentSilent(
                f"the agent of {split_ref(ref)[0]!r} said nothing for {bound:g} s",
                hint=f"plugin.{self._engine.table}.agent_timeout_s is the bound",
            ) from error
        finally:
            if not heard:
                stream.abort()
        return heard

    async def check_running(self, ref: str, diagnostic: str) -> None:
        """Say why a container ended, if it did."""
        _refuse_ended(await self._show(ref), ref, diagnostic)


def _refuse_ended(shown: dict[str, Any], ref: str, diagnostic: str) -> None:
    """Say why a container ended, if it did; Docker tells only in its output that PID 1 could not be executed."""
    found = observed(shown)
    if found.status is Status.RUNNING:
        return
    name, _ = split_ref(ref)
    if NOT_EXECUTABLE in diagnostic:
        raise AgentUnavailable(
            f"container {name!r} cannot run the agent: it is built for another architecture than this engine",
            details={"engine": diagnostic},
        )
    raise ContainerExited(
        f"container {name!r} has ended{_said(diagnostic)}",
        details={"exit_code": found.exit_code, "out_of_memory": found.out_of_memory},
    )


def _said(diagnostic: str) -> str:
    return f"; it said: {diagnostic}" if diagnostic else ""
