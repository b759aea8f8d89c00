"""Runs commands in a container, over the channel that devbench itself uses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codes import NO_EXIT_CODE
from devbench_core.channel.exec_messages import Ended, Failed, Start
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.messages import Refused

COMMAND_TIMEOUT_S = 30
WINDOW_BYTES = 4 * 1024 * 1024
INHERIT_ENV = 1


@dataclass
class Sink:
    """Collects what a command says."""

    data: bytearray = field(default_factory=bytearray)
    ending: asyncio.Future[Ended] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    stream: ExecStream | None = None

    def started(self) -> None:
        """Nothing is to be done."""

    def failed(self, ending: Failed) -> None:
        """The program could not be executed."""
        self._fail(f"not executed: {ending}")

    def refused(self, reply: Refused) -> None:
        """The agent does not want it."""
        self._fail(f"refused: {reply}")

    def output(self, end: int, stream: int, data: bytes) -> None:
        """Keep it, and have more sent."""
        _ = stream
        self.data += data
        if self.stream is not None:
            self.stream.ack(end)

    def gap(self, start: int, end: int) -> None:
        """Nothing may be lost here."""
        self._fail(f"output was lost from {start} to {end}")

    def ended(self, ending: Ended) -> None:
        """It ended."""
        if not self.ending.done():
            self.ending.set_result(ending)

    def detached(self) -> None:
        """Somebody else took it."""
        self._fail("detached")

    def lost(self, reason: str) -> None:
        """The channel broke."""
        self._fail(f"lost: {reason}")

    def _fail(self, what: str) -> None:
        if not self.ending.done():
            self.ending.set_exception(AssertionError(what))


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code (128 + signal as a shell says it), all its output, and its cores in use."""

    code: int
    text: str
    cores: float


async def run(channel: AgentChannel, *argv: str) -> Outcome:
    """Run a command to its end."""
    sink = begin(channel, *argv)
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        ending = await sink.ending
    code = ending.exit_code if ending.exit_code != NO_EXIT_CODE else 128 + ending.signal
    cores = (ending.user_us + ending.system_us) / max(ending.wall_us, 1)
    return Outcome(code, sink.data.decode(errors="replace"), cores)


def begin(channel: AgentChannel, *argv: str) -> Sink:
    """Start a command and return what collects its output."""
    sink = Sink()
    start = Start(
        id=0, key="test", flags=INHERIT_ENV, argv=tuple(word.encode() for word in argv), window=WINDOW_BYTES
    )
    sink.stream = ExecStream(start, sink, window_bytes=WINDOW_BYTES)
    channel.begin(sink.stream)
    return sink
