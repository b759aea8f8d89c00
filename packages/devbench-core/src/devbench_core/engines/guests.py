"""The agents of other users: an exec of the engine each, reached by their own sockets where that can be done.

What the engine tells of an exec, whether it runs and as which process, is how an agent's end is known for sure. An
engine that was restarted under its containers forgets its execs: then only a bridge can tell.
"""

from __future__ import annotations

import asyncio
from typing import Any

from devbench_core.channel.unix import UnixStream
from devbench_core.contracts.powers import StartedGuest
from devbench_core.contracts.runtime import guest_argv, guest_socket
from devbench_core.contracts.stream import ByteStream
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.calls import EngineCalls
from devbench_core.engines.connecting import Connector
from devbench_core.engines.direct import Forbidden, reach
from devbench_core.engines.names import split_ref
from devbench_core.engines.users import User, parse
from devbench_core.errors import AgentGone, AgentUnavailable

NUMBER_LOOKS = 20
NUMBER_LOOK_EVERY_S = 0.02
BRIDGE_REFUSES = 1  # its exit code when nobody listens, or somebody else does


class GuestConnector:
    """Starts and reaches them on one engine."""

    def __init__(self, engine: EngineCalls, connector: Connector) -> None:
        self._engine = engine
        self._connector = connector

    async def start(self, ref: str, user: str) -> StartedGuest:
        """Start an agent; as the contract says."""
        uid = parse(user).uid
        handle, stream = await self._connector.execute(ref, guest_argv(uid), user=user)
        if not await self._connector.hear(stream, ref):
            await self._connector.check_running(ref, stream.diagnostic)
            raise AgentUnavailable(
                f"no agent can run as user {user} in {split_ref(ref)[0]!r}: {stream.diagnostic or 'it ended at once'}"
            )
        return StartedGuest(handle=handle, stream=stream)

    async def connect(self, ref: str, user: str, handle: str, pid: int) -> ByteStream:
        """Open a stream to an agent; as the contract says."""
        shown = await self._look_started(handle)
        self._refuse_ended(shown, ref, user)
        direct = await self._direct(shown, parse(user))
        if direct is not None:
            return direct
        argv = self._connector.bridge_argv(guest_socket(parse(user).uid), pid)
        bridge, stream = await self._connector.execute(ref, argv, user=user)
        if await self._connector.hear(stream, ref):
            return stream
        await self._connector.check_running(ref, stream.diagnostic)
        shown = await self._look(handle)
        if shown is None and await self._found_nobody(bridge):
            raise _gone(ref, user, "nobody listens in its place")
        self._refuse_ended(shown, ref, user)
        raise AgentUnavailable(
            f"the agent of user {user} in {split_ref(ref)[0]!r} does not answer: {stream.diagnostic}",
            hint="try again",
        )

    async def _found_nobody(self, bridge: str) -> bool:
        """Tell whether a bridge says so itself: one that was killed, or could not be started, tells nothing."""
        for _ in range(NUMBER_LOOKS):
            shown = await self._look(bridge)
            if shown is not None and not shown.get("Running"):
                return shown.get("ExitCode") == BRIDGE_REFUSES
            await asyncio.sleep(NUMBER_LOOK_EVERY_S)
        return False

    async def _direct(self, shown: dict[str, Any] | None, user: User) -> UnixStream | None:
        if shown is None or not self._connector.may_go_direct:
            return None
        try:
            return await reach(str(shown["ContainerID"]), int(shown.get("Pid") or 0), guest_socket(user.uid))
        except Forbidden:
            self._connector.may_go_direct = False
            return None

    async def _look_started(self, handle: str) -> dict[str, Any] | None:
        """As `_look`; the engine learns the number of a process a moment after that one has begun to speak."""
        for _ in range(NUMBER_LOOKS):
            shown = await self._look(handle)
            if shown is None or not shown.get("Running") or shown.get("Pid"):
                return shown
            await asyncio.sleep(NUMBER_LOOK_EVERY_S)
        return None

    async def _look(self, handle: str) -> dict[str, Any] | None:
        """Return what the engine shows of an exec, None when it does not know it."""
        try:
            return await self._engine.show_process(handle)
        except EngineAnswer as answer:
            if answer.status == 404:
                return None
            raise self._engine.translate(answer, "look at an exec") from answer

    def _refuse_ended(self, shown: dict[str, Any] | None, ref: str, user: str) -> None:
        if shown is not None and not shown.get("Running"):
            raise _gone(ref, user, f"it ended with exit code {shown.get('ExitCode')}")


def _gone(ref: str, user: str, why: str) -> AgentGone:
    return AgentGone(
        f"the agent that ran the commands of user {user} in {split_ref(ref)[0]!r} is gone: {why}",
        hint="the next command of this user starts another one",
    )
