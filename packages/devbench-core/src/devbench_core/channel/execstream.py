"""One command as the channel sees it: checks every frame of the agent, and moves to another channel when one is cut."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from attrs import evolve

from devbench_core.channel.codes import NO_EXIT_CODE, Refusal, RunState, Scope, StartFlag
from devbench_core.channel.exec_messages import (
    Ack,
    Cancel,
    Detached,
    Ended,
    EndedAck,
    Failed,
    Gap,
    Output,
    Resize,
    Resume,
    Resumed,
    SideInput,
    Signal,
    Start,
    Started,
    Stdin,
    StdinCredit,
    StdinEof,
    Window,
)
from devbench_core.channel.faults import lie
from devbench_core.channel.messages import Message, Refused
from devbench_core.channel.stdin import StdinBuffer

SIGNAL_MAX = 64
EXIT_CODE_MAX = 255
DISCARD_WINDOW_BYTES = 256 * 1024  # how far an unwanted command may run ahead while it is being ended


class Phase(Enum):
    """Where a command's stream stands."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    RESUMING = "resuming"
    ENDED = "ended"  # the ending came and is not acknowledged yet
    OVER = "over"


class ExecSink(Protocol):
    """Who is told about a command. Called from the channel's reader: no method waits or raises."""

    def started(self) -> None:
        """The program has been executed."""
        ...

    def failed(self, ending: Failed) -> None:
        """It could not be executed; nothing follows."""
        ...

    def refused(self, reply: Refused) -> None:
        """The agent would not take it; nothing was started and nothing follows."""
        ...

    def output(self, end: int, stream: int, data: bytes) -> None:
        """More output, up to the offset ``end``."""
        ...

    def gap(self, start: int, end: int) -> None:
        """Output was dropped."""
        ...

    def ended(self, ending: Ended) -> None:
        """It ended; all output came before."""
        ...

    def detached(self) -> None:
        """Another host follows it from now on."""
        ...

    def lost(self, reason: str) -> None:
        """Its ending will never be known; nothing follows."""
        ...


class Port(Protocol):
    """Where a stream sends its frames."""

    def post(self, message: Message) -> None:
        """Send a frame, ahead of all streams when it is small."""
        ...

    def post_lazily(self, message: Message) -> None:
        """Send a small frame that nobody waits for, with the next one or after a moment."""
        ...

    def post_bulk(self, message: Message) -> None:
        """Send a frame of a stream, after those before it."""
        ...

    def finish(self, handle: int) -> None:
        """Forget a command: nothing of it is awaited."""
        ...

    def leave(self, handle: int) -> None:
        """Forget a command of which the agent goes on to tell, until its end or until another host follows it."""
        ...

    def restart(self, stream: ExecStream) -> bool:
        """Begin again under another handle; False when that was tried too often."""
        ...


class ExecStream:
    """The host's end of one command.

    Args:
        start: What to run, with any id.
        sink: Who is told.
        window_bytes: How far the agent may be ahead of `ack`.
        stdin: The input, None for none.
        offset: Where the output goes on, for a command that is adopted.
    """

    def __init__(
        self,
        start: Start,
        sink: ExecSink,
        *,
        window_bytes: int,
        stdin: StdinBuffer | None = None,
        offset: int = 0,
    ) -> None:
        self.start = start
        self.key = start.key
        self.handle = 0
        self.phase = Phase.NEW
        self.was_started = False
        self.input_lost = False
        self.next_offset = offset
        self._sink = sink
        self._window = window_bytes
        self._stdin = stdin
        self._limit = 0
        self._acked = offset
        self._said = offset
        self._port: Port | None = None
        self._cancel_ms: int | None = None
        self._size: tuple[int, int] | None = None
        self._recorded = False
        self._side: SideInput | None = None

    def begin(self, port: Port, handle: int) -> None:
        """Send START."""
        self.handle, self._port, self.phase = handle, port, Phase.STARTING
        self._limit, self._said = self._window, 0
        flags = self.start.flags if self._stdin is None else self.start.flags | StartFlag.STDIN
        port.post(evolve(self.start, id=handle, flags=flags, window=self._limit))
        if self._stdin is not None:
            self._stdin.rewind(0, self._stdin.limit, closed=False)
        self.push_stdin()

    def resume(self, port: Port, handle: int) -> None:
        """Send RESUME: go on on this channel without losing or repeating a byte."""
        self.handle, self._port, self.phase = handle, port, Phase.RESUMING
        # All that is safe is said again: the agent may not have heard it on the channel before.
        self._limit, self._said = max(self._acked + self._window, self.next_offset), 0
        port.post(Resume(id=handle, offset=self.next_offset, limit=self._limit))

    @classmethod
    def only_acknowledge(cls, key: str, offset: int) -> ExecStream:
        """Return the stream of a command whose ending was recorded but may not have been acknowledged.

        Args:
            key: The command's.
            offset: The end of its output.
        """
        start = Start(key=key, flags=0, argv=(b"?",))
        stream = cls(start, _Silent(), window_bytes=0, offset=offset)
        stream._recorded = True
        return stream

    @classmethod
    def unwanted(cls, key: str, offset: int) -> ExecStream:
        """Return the stream of a command that nobody was promised: once resumed, it is ended.

        Args:
            key: The command's.
            offset: The end of its output so far.
        """
        start = Start(key=key, flags=0, argv=(b"?",))
        stream = cls(start, _Silent(), window_bytes=DISCARD_WINDOW_BYTES, offset=offset)
        stream.discard()
        return stream

    def unplug(self) -> None:
        """Forget the channel: it is gone."""
        self._port = None

    def ack(self, offset: int) -> None:
        """Say that everything before an offset is safe, and let the agent send more."""
        if offset <= self._acked:
            return
        self._acked = offset
        self._limit = max(self._limit, offset + self._window)
        self._say_ack()

    def end_ack(self) -> bool:
        """Acknowledge the ending, once it is recorded; return whether that could be said now.

        Otherwise it is said when the ending comes again, on the next channel.
        """
        self._recorded = True
        if self._port is None or self.phase is not Phase.ENDED:
            return False
        self.phase = Phase.OVER
        self._port.post_lazily(EndedAck(id=self.handle))
        self._port.finish(self.handle)
        return True

    def abandon(self) -> None:
        """Follow the command no longer; nothing is acknowledged."""
        self._close(Phase.OVER)
        if self._port is not None:
            self._port.leave(self.handle)

    def discard(self) -> None:
        """End it, swallow what it still says and acknowledge its ending: nobody was promised anything."""
        self._recorded = True
        self._sink = _Discarding(self)
        self.ack(self.next_offset)
        self.cancel(0)

    def cancel(self, grace_ms: int) -> None:
        """Ask for the end of the whole tree; remembered until it can be said."""
        self._cancel_ms = grace_ms if self._cancel_ms is None else min(grace_ms, self._cancel_ms)
        self._say_cancel()

    def signal(self, number: int, scope: Scope = Scope.TREE) -> None:
        """Send a signal, if it runs."""
        if self._port is not None and self.phase is Phase.RUNNING:
            self._port.post(Signal(id=self.handle, signal=number, scope=scope))

    def send_side(self, offset: int, data: bytes) -> None:
        """Give the leader a piece on its side stream; said again on each new channel, and taken once.

        Args:
            offset: How many bytes all pieces before it had.
            data: At most 64 KiB. The leader must have read all of the last one.
        """
        self._side = SideInput(id=self.handle, offset=offset, data=data)
        self._say_side()

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal's size; remembered until it can be said."""
        self._size = columns, rows
        self._say_size()

    def push_stdin(self) -> None:
        """Send as much input as the agent's credit allows."""
        if self._stdin is None or self._port is None or self.phase not in {Phase.STARTING, Phase.RUNNING}:
            return
        while (piece := self._stdin.next_piece()) is not None:
            self._port.post_bulk(Stdin(id=self.handle, offset=piece[0], data=piece[1]))
        length = self._stdin.take_eof()
        if length is not None:
            self._port.post_bulk(StdinEof(id=self.handle, offset=length))

    def take(self, message: Message) -> None:
        """Take a frame of the agent.

        Raises:
            AgentMisbehaved: It may not come now, or its numbers do not fit what came before.
        """
        match message:
            case Output():
                self._output(message)
            case Started():
                self._require(message, Phase.STARTING)
                self._running()
                self._sink.started()
            case Ended():
                self._ended(message)
            case StdinCredit():
                self._credit(message)
            case Gap():
                self._gap(message)
            case Failed():
                self._failed(message)
            case Resumed():
                self._resumed(message)
            case Detached():
                self._close(Phase.OVER)
                self._sink.detached()
            case Refused():
                self._refused(message)
            case _:
                raise lie(f"{type(message).__name__} for a command")

    def lose(self, reason: str) -> None:
        """Give up: the ending will never be known."""
        if self.phase is not Phase.OVER:
            self._close(Phase.OVER)
            self._sink.lost(reason)

    def _require(self, message: Message, *phases: Phase) -> None:
        if self.phase not in phases:
            raise lie(f"{type(message).__name__} for a command that is {self.phase.value}")

    def _running(self) -> None:
        self.phase, self.was_started = Phase.RUNNING, True
        self._say_ack()  # what became safe before it could be said
        self.push_stdin()
        self._say_size()
        self._say_side()
        self._say_cancel()

    def _say_side(self) -> None:
        if self._side is not None and self._port is not None and self.phase is Phase.RUNNING:
            self._port.post_bulk(evolve(self._side, id=self.handle))

    def _say_ack(self) -> None:
        if self._port is None or self.phase is not Phase.RUNNING or self._acked <= self._said:
            return
        self._said = self._acked
        self._port.post(Ack(id=self.handle, offset=self._acked))
        self._port.post(Window(id=self.handle, limit=self._limit))

    def _say_cancel(self) -> None:
        if self._cancel_ms is not None and self._port is not None and self.phase is Phase.RUNNING:
            self._port.post(Cancel(id=self.handle, grace_ms=self._cancel_ms))

    def _say_size(self) -> None:
        if self._size is not None and self._port is not None and self.phase is Phase.RUNNING:
            self._port.post(Resize(id=self.handle, columns=self._size[0], rows=self._size[1]))

    def _output(self, message: Output) -> None:
        self._require(message, Phase.STARTING, Phase.RUNNING)  # a fast program's output may overtake STARTED
        end = message.offset + len(message.data)
        if message.offset != self.next_offset:
            raise lie(f"output at offset {message.offset} where {self.next_offset} was due")
        if end > self._limit:
            raise lie(f"output up to {end} beyond the window of {self._limit}")
        self.next_offset = end
        self._sink.output(end, message.stream, message.data)

    def _gap(self, message: Gap) -> None:
        self._require(message, Phase.STARTING, Phase.RUNNING)
        if message.start != self.next_offset or message.end <= message.start:
            raise lie(f"a gap from {message.start} to {message.end} where {self.next_offset} was due")
        self.next_offset = message.end
        self._sink.gap(message.start, message.end)

    def _ended(self, message: Ended) -> None:
        self._require(message, Phase.RUNNING)
        if message.output_end != self.next_offset:
            raise lie(f"an ending at offset {message.output_end} where {self.next_offset} was due")
        if message.signal > SIGNAL_MAX or EXIT_CODE_MAX < message.exit_code != NO_EXIT_CODE:
            raise lie("an ending with an impossible exit code or signal")
        self._close(Phase.ENDED)
        if not self._recorded or not self.end_ack():
            self._sink.ended(message)

    def _failed(self, message: Failed) -> None:
        self._require(message, Phase.STARTING, Phase.RUNNING)
        if self.next_offset:
            raise lie("a command that could not start had output")
        self._close(Phase.ENDED)
        if not self._recorded or not self.end_ack():
            self._sink.failed(message)

    def _close(self, phase: Phase) -> None:
        self.phase = phase
        if self._stdin is not None:
            self._stdin.close()

    def _credit(self, message: StdinCredit) -> None:
        self._require(message, Phase.STARTING, Phase.RUNNING, Phase.RESUMING)
        if self._stdin is not None and self.phase is not Phase.RESUMING:
            if not self._stdin.credit(message.limit, closed=message.closed):
                raise lie("the credit for input goes back")
            self.push_stdin()

    def _resumed(self, message: Resumed) -> None:
        self._require(message, Phase.RESUMING)
        if message.key != self.key or message.next < self.next_offset:
            raise lie("another command than the one that was resumed")
        if message.state is RunState.LEFTOVERS:
            self.lose("its ending was acknowledged by another host")
            return
        if self._stdin is not None and not self._stdin.rewind(
            message.stdin_next, message.stdin_limit, closed=message.stdin_closed
        ):
            if not self._stdin.lost:
                raise lie("the offset of a command's input is impossible")
            self._stdin.close()
            self.input_lost = True
            self._cancel_ms = 0
        if message.state is RunState.RUNNING and message.pid == 0:
            self.phase = Phase.STARTING  # STARTED or FAILED follows
            return
        self._running()
        if message.state is RunState.RUNNING:
            self._sink.started()

    def _refused(self, message: Refused) -> None:
        if message.type == Start.TYPE:
            self._require(message, Phase.STARTING)
            if message.code is Refusal.EXISTS and self._port is not None and self._port.restart(self):
                return
            self._close(Phase.OVER)
            self._sink.refused(message)
        elif message.type == Resume.TYPE:
            self._require(message, Phase.RESUMING)
            self.lose(f"the agent cannot resume it: {message.code.name.lower()}")
        elif message.type == SideInput.TYPE and message.code in {Refusal.TOO_MANY, Refusal.INVALID}:
            self.cancel(0)  # a piece was lost, so no later one could be taken either
        # a refused CANCEL, SIGNAL, RESIZE or STDIN crossed the ending or the move to another channel


class _Silent:
    """Nobody listens."""

    def started(self) -> None:
        """Nothing."""

    def failed(self, ending: Failed) -> None:
        """Nothing."""

    def refused(self, reply: Refused) -> None:
        """Nothing."""

    def output(self, end: int, stream: int, data: bytes) -> None:
        """Nothing."""

    def gap(self, start: int, end: int) -> None:
        """Nothing."""

    def ended(self, ending: Ended) -> None:
        """Nothing."""

    def detached(self) -> None:
        """Nothing."""

    def lost(self, reason: str) -> None:
        """Nothing."""


class _Discarding(_Silent):
    """Nobody listens, and the agent need not keep what it says."""

    def __init__(self, stream: ExecStream) -> None:
        self._stream = stream

    def output(self, end: int, stream: int, data: bytes) -> None:
        """Make room for more."""
        self._stream.ack(end)

    def gap(self, start: int, end: int) -> None:
        """Go on after it."""
        self._stream.ack(end)
