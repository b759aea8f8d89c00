"""Flow control against an honest agent: whatever is written, read, acknowledged and cut in whatever order.

Output never runs further ahead than the window, input never further than the credit, nothing is lost or repeated,
and whoever has done his part can always go on.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from devbench_core.channel.codes import RunState, Source
from devbench_core.channel.exec_messages import (
    Ack,
    Output,
    Resume,
    Resumed,
    Start,
    Started,
    Stdin,
    StdinCredit,
    StdinEof,
    Window,
)
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.messages import Message
from devbench_core.channel.stdin import CREDIT_AT_START, StdinBuffer

MACHINE = settings(max_examples=40, stateful_step_count=50, deadline=None)
WINDOW = 5000
SIZES = st.integers(1, 3000)
SHARES = st.floats(0, 1)


def pattern(start: int, end: int) -> bytes:
    """Return the bytes of a stream between two offsets: each tells where it belongs."""
    return bytes((offset * 31 + offset // 251) % 256 for offset in range(start, end))


class Sink:
    """The host's side: counts what it is given."""

    def __init__(self) -> None:
        self.got = bytearray()

    def started(self) -> None: ...

    def failed(self, ending: object) -> None:
        raise AssertionError(ending)

    def refused(self, reply: object) -> None:
        raise AssertionError(reply)

    def output(self, end: int, stream: int, data: bytes) -> None:
        self.got += data
        assert end == len(self.got)
        assert stream == Source.STDOUT

    def gap(self, start: int, end: int) -> None:
        raise AssertionError((start, end))

    def ended(self, ending: object) -> None:
        raise AssertionError(ending)

    def detached(self) -> None:
        raise AssertionError

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)


class Agent:
    """The agent's end: it keeps output until it is acknowledged, and takes input as far as it has said."""

    def __init__(self) -> None:
        self.limit = self.acked = self.sent = 0
        self.input = bytearray()
        self.read = 0
        self.credit = CREDIT_AT_START
        self.ended_at: int | None = None
        self.resumes: list[Resume] = []

    def post(self, message: Message) -> None:
        match message:
            case Start():
                self.limit = message.window
            case Ack():
                assert message.offset <= self.sent, "what was not sent is not safe"
                self.acked = max(self.acked, message.offset)
            case Window():
                assert message.limit <= self.acked + WINDOW or message.limit <= self.sent + WINDOW
                self.limit = max(self.limit, message.limit)
            case Resume():
                self.resumes.append(message)
                self.limit = message.limit
            case Stdin():
                assert message.offset == len(self.input), "input is not lost or repeated"
                self.input += message.data
                assert len(self.input) <= self.credit, "no further than the credit"
            case StdinEof():
                assert message.offset == len(self.input)
                self.ended_at = message.offset
            case _:
                raise AssertionError(message)

    post_lazily = post_bulk = post

    def finish(self, handle: int) -> None:
        raise AssertionError(handle)

    def leave(self, handle: int) -> None:
        raise AssertionError(handle)

    def restart(self, stream: ExecStream) -> bool:
        raise AssertionError(stream)


class FlowMachine(RuleBasedStateMachine):
    """One command on channels that are cut again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.sink, self.agent = Sink(), Agent()
        self.given = 0
        self.complete = False
        self.stdin = StdinBuffer(b"", complete=False)
        start = Start(key="x_1", flags=0, argv=(b"x",))
        self.stream = ExecStream(start, self.sink, window_bytes=WINDOW, stdin=self.stdin)
        self.stream.begin(self.agent, 1)
        self.stream.take(Started(id=1, pid=7))

    @rule(size=SIZES)
    def the_command_writes(self, size: int) -> None:
        """The agent sends as much as it may."""
        end = min(self.agent.sent + size, self.agent.limit)
        if end > self.agent.sent:
            data = pattern(self.agent.sent, end)
            self.stream.take(Output(id=1, offset=self.agent.sent, stream=Source.STDOUT, data=data))
            self.agent.sent = end

    @rule(share=SHARES)
    def output_becomes_safe(self, share: float) -> None:
        got = len(self.sink.got)
        self.stream.ack(self.agent.acked + int(share * (got - self.agent.acked)))

    @precondition(lambda self: not self.complete)
    @rule(size=st.integers(1, 40_000))
    def a_caller_writes(self, size: int) -> None:
        self.stdin._data += pattern(self.given, self.given + size)  # pyright: ignore[reportPrivateUsage] - as `add` does
        self.given += size
        self.stream.push_stdin()

    @rule()
    def a_caller_closes_the_input(self) -> None:
        self.complete = self.stdin.complete = True
        self.stream.push_stdin()

    @rule(share=SHARES)
    def the_command_reads(self, share: float) -> None:
        self.agent.read += int(share * (len(self.agent.input) - self.agent.read))
        self.agent.credit = self.agent.read + CREDIT_AT_START
        self.stream.take(StdinCredit(id=1, limit=self.agent.credit, closed=False))

    @rule(lost=SHARES, input_lost=SHARES)
    def the_channel_is_cut(self, lost: float, input_lost: float) -> None:
        """What was on its way is gone, in both directions; the agent goes on where the host asks it to."""
        self.stream.unplug()
        kept = self.agent.read + int(input_lost * (len(self.agent.input) - self.agent.read))
        del self.agent.input[kept:]
        self.agent.ended_at = None
        self.stream.resume(self.agent, 1)
        asked = self.agent.resumes[-1].offset
        assert asked == len(self.sink.got)
        assert asked >= self.agent.acked, "what was acknowledged is not there any more"
        self.agent.sent = asked
        self.stream.take(
            Resumed(
                id=1,
                state=RunState.RUNNING,
                pid=7,
                first=self.agent.acked,
                next=self.agent.sent + int(lost * WINDOW),
                stdin_next=len(self.agent.input),
                stdin_limit=self.agent.credit,
                stdin_closed=False,
                key="x_1",
            )
        )

    @invariant()
    def nothing_is_lost_or_repeated(self) -> None:
        assert bytes(self.sink.got) == pattern(0, len(self.sink.got))
        assert bytes(self.agent.input) == pattern(0, len(self.agent.input))

    @invariant()
    def nobody_runs_too_far_ahead(self) -> None:
        assert self.agent.limit - self.agent.acked <= WINDOW or self.agent.limit == len(self.sink.got)
        assert len(self.agent.input) <= self.agent.credit

    def teardown(self) -> None:
        """Whoever has done his part can go on: all input arrives, and another window of output may come."""
        while len(self.agent.input) < self.given:
            before = len(self.agent.input)
            self.the_command_reads(1.0)
            assert len(self.agent.input) > before, "the input stands still"
        self.a_caller_closes_the_input()
        assert self.agent.ended_at == self.given
        self.stream.ack(len(self.sink.got))
        assert self.agent.limit == len(self.sink.got) + WINDOW, "the output stands still"


TestFlowControl = FlowMachine.TestCase
TestFlowControl.settings = MACHINE
