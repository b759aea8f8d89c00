"""One run of a command."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from pathlib import PurePosixPath

import attrs

from devbench_core.values import frozen

__all__ = [
    "Chunk",
    "Ends",
    "Exec",
    "ExecEnding",
    "ExecReason",
    "ExecRequest",
    "ExecState",
    "InputTaken",
    "Leftovers",
    "Mark",
    "Page",
    "ResourceLimits",
    "SignalScope",
    "StreamName",
    "TerminalSize",
    "Usage",
]


class StreamName(IntEnum):
    """Which of a command's outputs."""

    STDOUT = 1
    STDERR = 2
    SIDE = 3  # what a shell's driver reports; no output of anything that was run


class ExecState(StrEnum):
    """Where an exec stands."""

    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"


class ExecReason(StrEnum):
    """How an exec ended. Only ``LOST`` means that the true ending is not known."""

    EXITED = "exited"  # see exit_code
    SIGNALED = "signaled"  # see signal
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED_TO_START = "failed_to_start"  # see failure
    CONTAINER_EXITED = "container_exited"
    LOST = "lost"


class Leftovers(StrEnum):
    """What becomes of background processes that outlive a command's own process."""

    LEAVE = "leave"  # they run on until their container ends, and still belong to the command
    END = "end"  # TERM, the grace, KILL, before the command counts as ended


class SignalScope(StrEnum):
    """Whom a signal reaches."""

    TREE = "tree"  # every process of the command
    GROUP = "group"  # the process group of its first process
    LEADER = "leader"  # its first process


@frozen
class ResourceLimits:
    """Limits of one command's processes, below those of its container (setrlimit(2), nice(2)).

    Attributes:
        nofile: Open files of each process, at most the container's own limit, which is the default.
        core_bytes: Size of a core dump, 0 for none; None leaves the container's.
        nice: How much less urgent than the container's other processes, 0-19.
    """

    nofile: int | None = None
    core_bytes: int | None = None
    nice: int = 0


@frozen
class Usage:
    """What the whole process tree used, as the kernel counted; None where it did not tell.

    Attributes:
        wall_s: From the start to the leader's end.
        user_s: Processor time in programs, of all processes that ended before the ending was told.
        system_s: Processor time in the kernel, of the same.
        max_rss_bytes: The largest resident memory that any one of them had.
        voluntary_switches: How often they waited for something.
        involuntary_switches: How often they were interrupted for others.
        read_bytes: What they read from block devices (what was in memory already does not count).
        written_bytes: What they made to be written to block devices.
    """

    wall_s: float
    user_s: float | None = None
    system_s: float | None = None
    max_rss_bytes: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None


@frozen
class ExecEnding:
    """The one ending of an exec.

    Attributes:
        reason: How.
        exit_code: 0-255 for ``EXITED``, else None.
        signal: The number for ``SIGNALED`` (and the one that ended a timed out or cancelled tree), else None.
        failure: For ``FAILED_TO_START``: ``not_found``, ``not_executable``, ``bad_directory``, ``too_long``,
            ``no_resources``, ``no_terminal`` or ``other``; "" otherwise.
        message: One sentence for people.
        at: When, UTC.
        usage: What it used, None when it never ran or was lost.
        output_bytes: How many bytes of output were accepted in all.
    """

    reason: ExecReason
    exit_code: int | None = None
    signal: int | None = None
    failure: str = ""
    message: str = ""
    at: datetime
    usage: Usage | None = None
    output_bytes: int = 0


@frozen
class TerminalSize:
    """How large a command's terminal is, in characters; each 1 to ``TERMINAL_SIDE_MAX``."""

    columns: int = 80
    rows: int = 24


@frozen
class InputTaken:
    """What became of bytes for a command's stdin.

    Attributes:
        accepted_bytes: How many of them the host took over, from the first on; less than all when the command did
            not read in time. The others are the caller's: they were not given to the command.
        eof: Whether end of file was given after them.
    """

    accepted_bytes: int
    eof: bool = False


@frozen
class ExecRequest:
    """What to run.

    Attributes:
        argv: Program and arguments; never passed to a shell. The program is looked up in the PATH of the
            command's environment.
        cwd: Working directory; relative ones are beneath the workspace, None is the image's, else the workspace.
            It must exist, or the command fails to start (``bad_directory``).
        create_cwd: Make it first, with those above it, when it is missing; beneath the workspace only.
        user: ``uid`` or ``uid:gid``: the container's user (``policy.user``, None too) or one of ``policy.exec_users``.
            Everything about the command is done as this user, also the making of ``cwd``.
        env: Merged over the container's environment.
        stdin: Bytes given at the start, followed by end of file; None gives an empty stdin.
        timeout_s: The whole tree is ended after this; None is the configured default, which is longer at a terminal.
        grace_s: From TERM to KILL, None is the configured default.
        limits: Of its processes.
        leftovers: What becomes of background processes that it leaves.
        queue_s: How long it may wait for others to end when as many run as are allowed; 0 refuses it at once.
        tty: Run it at a terminal of this size: its input stays open, beginning with ``stdin`` as if typed, all
            output is stdout, and ``TERM`` is ``xterm-256color`` unless ``env`` has one. None for no terminal.
    """

    argv: tuple[str, ...]
    cwd: PurePosixPath | None = None
    create_cwd: bool = False
    user: str | None = None
    env: dict[str, str] = attrs.field(factory=dict[str, str])
    stdin: bytes | None = None
    timeout_s: float | None = None
    grace_s: float | None = None
    limits: ResourceLimits = ResourceLimits()
    leftovers: Leftovers = Leftovers.LEAVE
    queue_s: float = 0.0
    tty: TerminalSize | None = None


@frozen
class Exec:
    """The record of one exec.

    Attributes:
        id: Opaque, ``x_…``.
        container_id: Where it runs.
        tenant: Whose it is.
        created_by: The subject that asked.
        argv: What runs (environment and stdin are not kept: they may hold secrets).
        cwd: Where it runs, as asked.
        tty: Whether it has a terminal.
        user: ``uid:gid`` when it runs as another user than the container's, else "".
        state: Where it stands.
        created_at: When it was accepted, UTC.
        started_at: When the process was there, UTC.
        handle: The agent's number for it, 0 before it has one.
        instance: The host that runs it.
        ending: None until it ended.
        revision: The store's revision of this record.
        replayed: Whether this answers a start whose idempotency key had started it before; not stored.
    """

    id: str
    container_id: str
    tenant: str
    created_by: str
    argv: tuple[str, ...]
    cwd: str = ""
    tty: bool = False
    user: str = ""
    state: ExecState
    created_at: datetime
    started_at: datetime | None = None
    handle: int = 0
    instance: str = ""
    ending: ExecEnding | None = None
    revision: int = 0
    replayed: bool = False


@frozen
class Chunk:
    """A piece of output in the journal.

    Attributes:
        seq: From 1, without gaps, across all streams.
        stream: Which.
        data: The bytes, at least one, unless ``lost_bytes`` is set.
        lost_bytes: Bytes that were dropped at this place by a bounded buffer; 0 normally.
    """

    seq: int
    stream: StreamName
    data: bytes
    lost_bytes: int = 0


@frozen
class Page:
    """The answer to a poll.

    Attributes:
        chunks: In order, beginning just after the cursor that was asked for.
        cursor: Give this to the next poll.
        ending: Set when the exec has ended *and* these chunks reach its end.
    """

    chunks: tuple[Chunk, ...]
    cursor: int
    ending: ExecEnding | None = None


@frozen
class Mark:
    """How far a command has got: two marks differ when there is something new to read.

    Attributes:
        seq: Of its last chunk of output, 0 while there is none.
        ended: Whether it has its ending; nothing follows then.
    """

    seq: int = 0
    ended: bool = False


@frozen
class Ends:
    """The beginning and the end of a command's output, in whole chunks.

    Attributes:
        head: From the first chunk on.
        skipped_bytes: What lies between the two, 0 when ``tail`` follows ``head`` directly.
        tail: Up to the last chunk; empty when ``head`` reaches it.
        cursor: The last chunk that was there.
        ending: Set when the command has ended; the cursor is the end of all its output then.
    """

    head: tuple[Chunk, ...] = ()
    skipped_bytes: int = 0
    tail: tuple[Chunk, ...] = ()
    cursor: int = 0
    ending: ExecEnding | None = None
