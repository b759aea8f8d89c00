"""Faults of a host's commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from devbench_core.channel import link
from devbench_core.channel.codes import NO_EXIT_CODE, EndedBy, Scope
from devbench_core.channel.exec_messages import Ended, Output
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.link import AgentLink
from devbench_core.channel.stdin import StdinBuffer
from devbench_core.execs import Execs, foreign
from devbench_core.execs.slots import Slots
from mutations.seeding import Patch, always, fault

FAULTS: dict[str, Patch] = {}
"""By the sentence that says what is wrong."""

STDOUT = 1
KILL = 9
SHELL_SIGNAL = 128


def _started(patches: pytest.MonkeyPatch, **changes: Any) -> None:
    """Have commands start in another way than was asked for."""
    begin = ExecStream.begin

    def changed(stream: ExecStream, port: Any, handle: int) -> None:
        stream.start = attrs.evolve(stream.start, **changes)
        begin(stream, port, handle)

    patches.setattr(ExecStream, "begin", changed)


def _ended(patches: pytest.MonkeyPatch, change: Callable[[Ended], Ended]) -> None:
    take = ExecStream.take

    def changed(stream: ExecStream, message: Any) -> None:
        take(stream, change(message) if isinstance(message, Ended) else message)

    patches.setattr(ExecStream, "take", changed)


def _said(patches: pytest.MonkeyPatch, change: Callable[[Output], Output]) -> None:
    take = ExecStream.take

    def changed(stream: ExecStream, message: Any) -> None:
        take(stream, change(message) if isinstance(message, Output) else message)

    patches.setattr(ExecStream, "take", changed)


@fault(FAULTS, "a command's exit code is off by one")
def _off_by_one(patches: pytest.MonkeyPatch) -> None:
    def change(ending: Ended) -> Ended:
        code = ending.exit_code
        return attrs.evolve(ending, exit_code=code if code == NO_EXIT_CODE else (code + 1) % 256)

    _ended(patches, change)


@fault(FAULTS, "a death by a signal is told as a shell tells it, by an exit code")
def _as_shells_do(patches: pytest.MonkeyPatch) -> None:
    def change(ending: Ended) -> Ended:
        if ending.reason is not EndedBy.SIGNALED:
            return ending
        code = SHELL_SIGNAL + ending.signal
        return attrs.evolve(ending, reason=EndedBy.EXITED, exit_code=code, signal=0)

    _ended(patches, change)


@fault(FAULTS, "a timeout is told as a cancel")
def _cancelled(patches: pytest.MonkeyPatch) -> None:
    def change(ending: Ended) -> Ended:
        is_late = ending.reason is EndedBy.TIMED_OUT
        return attrs.evolve(ending, reason=EndedBy.CANCELLED) if is_late else ending

    _ended(patches, change)


@fault(FAULTS, "stderr is merged into stdout")
def _merged(patches: pytest.MonkeyPatch) -> None:
    _said(patches, lambda output: attrs.evolve(output, stream=STDOUT))


@fault(FAULTS, "output goes through text")
def _textual(patches: pytest.MonkeyPatch) -> None:
    ascii_only = bytes(byte if byte < 128 else ord("?") for byte in range(256))
    _said(patches, lambda output: attrs.evolve(output, data=output.data.translate(ascii_only)))


@fault(FAULTS, "stdin is never closed")
def _left_open(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(StdinBuffer, "take_eof", always(None))


def _leader_only(stream: ExecStream) -> None:
    stream.signal(KILL, Scope.LEADER)


@fault(FAULTS, "a timeout leaves grandchildren")
def _timeout_of_leader(patches: pytest.MonkeyPatch) -> None:
    begin, late = ExecStream.begin, set[str]()

    def end(stream: ExecStream) -> None:
        late.add(stream.key)
        _leader_only(stream)

    def changed(stream: ExecStream, port: Any, handle: int) -> None:
        timeout_ms = stream.start.timeout_ms
        stream.start = attrs.evolve(stream.start, timeout_ms=0)
        begin(stream, port, handle)
        if timeout_ms:
            asyncio.get_running_loop().call_later(timeout_ms / 1000, end, stream)

    patches.setattr(ExecStream, "begin", changed)
    _ended_as(patches, late, EndedBy.TIMED_OUT)


@fault(FAULTS, "a cancel ends only the command's first process")
def _cancel_of_leader(patches: pytest.MonkeyPatch) -> None:
    cancelled = set[str]()

    def changed(stream: ExecStream, _grace_ms: int) -> None:
        cancelled.add(stream.key)
        _leader_only(stream)

    patches.setattr(ExecStream, "cancel", changed)
    _ended_as(patches, cancelled, EndedBy.CANCELLED)


def _ended_as(patches: pytest.MonkeyPatch, keys: set[str], reason: EndedBy) -> None:
    take = ExecStream.take

    def changed(stream: ExecStream, message: Any) -> None:
        mine = isinstance(message, Ended) and stream.key in keys
        take(stream, attrs.evolve(message, reason=reason) if mine else message)

    patches.setattr(ExecStream, "take", changed)


@fault(FAULTS, "variables are not given")
def _without_variables(patches: pytest.MonkeyPatch) -> None:
    _started(patches, env=())


@fault(FAULTS, "the directory is passed over")
def _elsewhere(patches: pytest.MonkeyPatch) -> None:
    _started(patches, cwd=b"")


@fault(FAULTS, "limits of resources are passed over")
def _unlimited(patches: pytest.MonkeyPatch) -> None:
    _started(patches, nofile=0, nice=0)


@fault(FAULTS, "a signal reaches the whole tree whatever its scope")
def _to_all(patches: pytest.MonkeyPatch) -> None:
    signal = foreign.signal

    async def changed(link: AgentLink, exec_id: str, number: int, _scope: Scope) -> bool:
        return await signal(link, exec_id, number, Scope.TREE)

    patches.setattr(foreign, "signal", changed)


@fault(FAULTS, "a repeat under the same key runs the command again")
def _keyless(patches: pytest.MonkeyPatch) -> None:
    start = Execs.start

    async def changed(execs: Execs, *arguments: Any, **named: Any) -> Any:
        return await start(execs, *arguments, **{**named, "idempotency_key": None})

    patches.setattr(Execs, "start", changed)


@fault(FAULTS, "more commands run at once than may")
def _uncounted(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(Slots, "_is_full", always(False))
    patches.setattr(link, "LIMIT_FEATURE", "none of an agent's")  # which would count as well
