"""The frames of commands, as values. The protocol's page explains each field."""

from __future__ import annotations

from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import (
    LEAVE_CORE,
    EndedBy,
    Failure,
    RunState,
    Scope,
    Source,
    Way,
)
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import (
    BOOL,
    DATA_MAX,
    I32,
    OFFSET,
    STRING,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    enum,
    many,
    rest,
)
from devbench_core.values import frozen

ARGUMENTS_MAX = 65_536
ENTRIES_MAX = 65_535


@frozen
class Start(Message):
    """Run a command."""

    TYPE: ClassVar[int] = 0x10
    WAY: ClassVar[Way] = Way.HOST
    key: str = field(metadata=TEXT)
    flags: int = field(metadata=U32)
    timeout_ms: int = field(metadata=U64, default=0)
    grace_ms: int = field(metadata=U32, default=0)
    spool_bytes: int = field(metadata=U32, default=0)
    window: int = field(metadata=U64, default=0)
    nofile: int = field(metadata=U64, default=0)
    core: int = field(metadata=U64, default=LEAVE_CORE)
    nice: int = field(metadata=I32, default=0)
    columns: int = field(metadata=U16, default=0)
    rows: int = field(metadata=U16, default=0)
    cwd: bytes = field(metadata=STRING, default=b"")
    argv: tuple[bytes, ...] = field(metadata=many(U32, STRING, ARGUMENTS_MAX), repr=False)
    env: tuple[bytes, ...] = field(metadata=many(U32, STRING, ARGUMENTS_MAX), default=(), repr=False)


@frozen
class Started(Message):
    """The program has been executed."""

    TYPE: ClassVar[int] = 0x11
    WAY: ClassVar[Way] = Way.AGENT
    pid: int = field(metadata=U32)


@frozen
class Failed(Message):
    """The program could not be executed; this is the ending."""

    TYPE: ClassVar[int] = 0x12
    WAY: ClassVar[Way] = Way.AGENT
    code: Failure = field(metadata=enum(U8, Failure))
    errno: int = field(metadata=U32)
    message: str = field(metadata=TEXT)


@frozen
class Stdin(Message):
    """Bytes for the command."""

    TYPE: ClassVar[int] = 0x13
    WAY: ClassVar[Way] = Way.HOST
    offset: int = field(metadata=U64)
    data: bytes = field(metadata=rest(0, DATA_MAX), repr=False)


@frozen
class StdinEof(Message):
    """No bytes come after this offset."""

    TYPE: ClassVar[int] = 0x14
    WAY: ClassVar[Way] = Way.HOST
    offset: int = field(metadata=U64)


@frozen
class StdinCredit(Message):
    """The host may send bytes below the limit."""

    TYPE: ClassVar[int] = 0x15
    WAY: ClassVar[Way] = Way.AGENT
    limit: int = field(metadata=OFFSET)
    closed: bool = field(metadata=BOOL)


@frozen
class Output(Message):
    """Bytes of the command."""

    TYPE: ClassVar[int] = 0x16
    WAY: ClassVar[Way] = Way.AGENT
    offset: int = field(metadata=OFFSET)
    stream: Source = field(metadata=enum(U8, Source))
    data: bytes = field(metadata=rest(1, DATA_MAX), repr=False)


@frozen
class Gap(Message):
    """These bytes were dropped."""

    TYPE: ClassVar[int] = 0x17
    WAY: ClassVar[Way] = Way.AGENT
    start: int = field(metadata=OFFSET)
    end: int = field(metadata=OFFSET)


@frozen
class Window(Message):
    """The agent may send output below the limit."""

    TYPE: ClassVar[int] = 0x18
    WAY: ClassVar[Way] = Way.HOST
    limit: int = field(metadata=U64)


@frozen
class Ack(Message):
    """The host has everything before the offset safely."""

    TYPE: ClassVar[int] = 0x19
    WAY: ClassVar[Way] = Way.HOST
    offset: int = field(metadata=U64)


@frozen
class Ended(Message):
    """The ending, after all output."""

    TYPE: ClassVar[int] = 0x1A
    WAY: ClassVar[Way] = Way.AGENT
    reason: EndedBy = field(metadata=enum(U8, EndedBy))
    exit_code: int = field(metadata=U32)
    signal: int = field(metadata=U32)
    core_dumped: bool = field(metadata=BOOL)
    wall_us: int = field(metadata=U64)
    user_us: int = field(metadata=U64)
    system_us: int = field(metadata=U64)
    max_rss_bytes: int = field(metadata=U64)
    voluntary_switches: int = field(metadata=U64)
    involuntary_switches: int = field(metadata=U64)
    read_bytes: int = field(metadata=U64)
    written_bytes: int = field(metadata=U64)
    output_end: int = field(metadata=OFFSET)
    leftovers: int = field(metadata=U32)
    message: str = field(metadata=TEXT)


@frozen
class EndedAck(Message):
    """The host has everything, and the ending."""

    TYPE: ClassVar[int] = 0x1B
    WAY: ClassVar[Way] = Way.HOST


@frozen
class Resume(Message):
    """Send me this command's output from an offset."""

    TYPE: ClassVar[int] = 0x1C
    WAY: ClassVar[Way] = Way.HOST
    offset: int = field(metadata=U64)
    limit: int = field(metadata=U64)


@frozen
class Resumed(Message):
    """This channel has the command now."""

    TYPE: ClassVar[int] = 0x1D
    WAY: ClassVar[Way] = Way.AGENT
    state: RunState = field(metadata=enum(U8, RunState))
    pid: int = field(metadata=U32)
    first: int = field(metadata=OFFSET)
    next: int = field(metadata=OFFSET)
    stdin_next: int = field(metadata=OFFSET)
    stdin_limit: int = field(metadata=OFFSET)
    stdin_closed: bool = field(metadata=BOOL)
    key: str = field(metadata=TEXT)


@frozen
class Detached(Message):
    """Another channel has the command now."""

    TYPE: ClassVar[int] = 0x1E
    WAY: ClassVar[Way] = Way.AGENT


@frozen
class Cancel(Message):
    """End the whole tree."""

    TYPE: ClassVar[int] = 0x1F
    WAY: ClassVar[Way] = Way.HOST
    grace_ms: int = field(metadata=U32)


@frozen
class Signal(Message):
    """Send a signal."""

    TYPE: ClassVar[int] = 0x20
    WAY: ClassVar[Way] = Way.HOST
    signal: int = field(metadata=U8)
    scope: Scope = field(metadata=enum(U8, Scope))


@frozen
class SideInput(Message):
    """What the command's leader reads on its side stream."""

    TYPE: ClassVar[int] = 0x2F
    WAY: ClassVar[Way] = Way.HOST
    offset: int = field(metadata=U64)
    data: bytes = field(metadata=rest(1, DATA_MAX), repr=False)


@frozen
class List(Message):
    """Which commands are there?"""

    TYPE: ClassVar[int] = 0x21
    WAY: ClassVar[Way] = Way.HOST


@frozen
class Entry:
    """One command of the agent."""

    handle: int = field(metadata=U32)
    state: RunState = field(metadata=enum(U8, RunState))
    pid: int = field(metadata=U32)
    first: int = field(metadata=OFFSET)
    next: int = field(metadata=OFFSET)
    key: str = field(metadata=TEXT)


@frozen
class EntryList(Message):
    """Commands of the agent (EXECS); ``last`` ends the answer."""

    TYPE: ClassVar[int] = 0x22
    WAY: ClassVar[Way] = Way.AGENT
    last: bool = field(metadata=BOOL)
    entries: tuple[Entry, ...] = field(metadata=many(U16, nested(Entry), ENTRIES_MAX))


@frozen
class Resize(Message):
    """The terminal has another size."""

    TYPE: ClassVar[int] = 0x23
    WAY: ClassVar[Way] = Way.HOST
    columns: int = field(metadata=U16)
    rows: int = field(metadata=U16)


EXEC_MESSAGES: tuple[type[Message], ...] = (
    Start,
    Started,
    Failed,
    Stdin,
    StdinEof,
    StdinCredit,
    Output,
    Gap,
    Window,
    Ack,
    Ended,
    EndedAck,
    Resume,
    Resumed,
    Detached,
    Cancel,
    Signal,
    SideInput,
    List,
    EntryList,
    Resize,
)
