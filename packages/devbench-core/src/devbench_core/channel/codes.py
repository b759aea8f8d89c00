"""The numbers of the agent's protocol, by name."""

from __future__ import annotations

from enum import Enum, IntEnum, IntFlag

NO_EXIT_CODE = 2**32 - 1
LEAVE_CORE = 2**64 - 1
NOT_TOLD = 2**64 - 1


class ByteOrder(IntEnum):
    """Of the units in which lines are looked for."""

    LITTLE = 0
    BIG = 1
    BY_MARK = 2


class Way(Enum):
    """Who may send a type."""

    HOST = "host"
    AGENT = "agent"
    BOTH = "both"


class Method(IntEnum):
    """How a host shows that it may use the agent."""

    CLAIM = 1
    PROVE = 2


class Leave(IntEnum):
    """Why a side says goodbye."""

    CLOSING = 1
    TAKEN_OVER = 2
    SHUTTING_DOWN = 3


class Fault(IntEnum):
    """What ends a channel."""

    MALFORMED = 1
    UNSUPPORTED_VERSION = 2
    UNAUTHORISED = 3
    BUSY = 4
    TOO_SLOW = 5
    TOO_LARGE = 6
    UNEXPECTED = 7
    INTERNAL = 8
    FORBIDDEN = 9
    ALREADY_CLAIMED = 10
    NOT_CLAIMED = 11


class Refusal(IntEnum):
    """Why a frame was refused."""

    EXISTS = 1
    NOT_FOUND = 2
    TOO_MANY = 3
    INVALID = 4
    NOT_OWNER = 5
    SHUTTING_DOWN = 6
    BUSY = 7


class StartFlag(IntFlag):
    """Options of START."""

    INHERIT_ENV = 1
    STDIN = 2
    DROP_WHEN_DETACHED = 4
    END_LEFTOVERS = 8
    TTY = 16
    SIDE = 32


class Failure(IntEnum):
    """Why a command could not be executed."""

    NOT_FOUND = 1
    NOT_EXECUTABLE = 2
    BAD_DIRECTORY = 3
    TOO_LONG = 4
    NO_RESOURCES = 5
    OTHER = 6
    NO_TERMINAL = 7


class EndedBy(IntEnum):
    """How a command ended."""

    EXITED = 1
    SIGNALED = 2
    TIMED_OUT = 3
    CANCELLED = 4
    LOST = 5


class RunState(IntEnum):
    """Where a command stands in the agent."""

    RUNNING = 1
    ENDED = 2
    LEFTOVERS = 3


class Source(IntEnum):
    """Which output."""

    STDOUT = 1
    STDERR = 2
    SIDE = 3


class Scope(IntEnum):
    """Whom a signal reaches."""

    TREE = 1
    GROUP = 2
    LEADER = 3
    RUN = 4
    RUN_JOBS = 5
