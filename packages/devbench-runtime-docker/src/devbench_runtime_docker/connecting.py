"""Reaching the agent: by the stream that PID 1 was started with, later by bridges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from devbench_core.contracts.runtime import AGENT_PATH, SOCKET_PATH
from devbench_core.errors import AgentUnavailable, ContainerExited
from devbench_core.model.container import Observed, Status
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import EngineAnswer, translate
from devbench_runtime_docker.names import split_ref
from devbench_runtime_docker.stash import Stash
from devbench_runtime_docker.stream import DockerStream

BRIDGE = [str(AGENT_PATH), "connect", "--socket", str(SOCKET_PATH)]
ATTACH = {"stream": "1", "stdin": "1", "stdout": "1", "stderr": "1"}


class Connector:
    """Opens streams to the agents of one engine's containers."""

    def __init__(self, engine: Engine, stash: Stash, inspect: Callable[[str], Awaitable[Observed]]) -> None:
        self._engine = engine
        self._stash = stash
        self._inspect = inspect

    async def attach(self, ref: str) -> DockerStream:
        """Attach to PID 1, which is not started yet, so that nothing it says is missed."""
        name, _ = split_ref(ref)
        try:
            return await self._engine.attach(
                f"containers/{name}/attach", params=ATTACH, body=None, doing="attach to a container"
            )
        except EngineAnswer as answer:
            raise translate(answer, "attach to", ref=ref) from answer

    async def connect(self, ref: str) -> DockerStream:
        """Return a stream on which the agent has spoken already.

        Raises:
            ContainerNotFound: No such container.
            ContainerExited: It does not run.
            AgentUnavailable: The agent stays silent; says what it wrote to stderr.
            EngineUnreachable: The engine did not answer.
        """
        stream = self._stash.take(ref)
        if stream is not None:
            try:
                await self._hear(stream, ref)
            except AgentUnavailable:
                pass  # the stream died while it was kept; a bridge tells whether the agent lives
            else:
                return stream
        stream = await self._bridge(ref)
        await self._hear(stream, ref)
        return stream

    async def _bridge(self, ref: str) -> DockerStream:
        name, _ = split_ref(ref)
        body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Cmd": BRIDGE}
        try:
            made = await self._engine.call(
                "POST", f"containers/{name}/exec", doing="make a bridge to the agent", body=body
            )
            return await self._engine.attach(
                f"exec/{made['Id']}/start", params={}, body={"Detach": False, "Tty": False},
                doing="start a bridge to the agent",
            )  # fmt: skip
        except EngineAnswer as answer:
            raise translate(answer, "reach the agent of", ref=ref) from answer

    async def _hear(self, stream: DockerStream, ref: str) -> None:
        """Wait for the agent's first bytes; close the stream when they do not come."""
        bound = self._engine.settings.agent_timeout_s
        try:
            async with asyncio.timeout(bound):
                heard = await stream.await_first()
        except TimeoutError as error:
            stream.abort()
            raise AgentUnavailable(
                f"the agent of {split_ref(ref)[0]!r} said nothing for {bound:g} s",
                hint="plugin.docker.agent_timeout_s is the bound",
            ) from error
        except BaseException:
            stream.abort()
            raise
        if not heard:
            stream.abort()
            await self._explain(ref, stream.diagnostic)

    async def _explain(self, ref: str, said: str) -> None:
        found = await self._inspect(ref)
        name, _ = split_ref(ref)
        text = f"; it said: {said}" if said else ""
        if found.status is not Status.RUNNING:
            raise ContainerExited(
                f"container {name!r} has ended{text}",
                details={"exit_code": found.exit_code, "out_of_memory": found.out_of_memory},
            )
        raise AgentUnavailable(f"the agent of {name!r} does not answer{text}", hint="try again")
