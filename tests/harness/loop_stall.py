"""A detector of event loops that stand still: every callback of every loop is timed, and a slow one is explained.

A callback counts as a stall when it keeps its thread busy, or blocked while the machine was otherwise responsive,
for longer than the bound. Three things are not stalls: importing (clients are imported where they are opened),
waiting for a processor that others use (also until a new thread gets one), and a test's own code that blocks its own
loop.
"""

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

SLOWDOWN_VARIABLE = "DEVBENCH_TEST_SLOWDOWN"
"""How many times slower than usual this machine is, for one that is emulated."""

BOUND_S = 0.25 * float(os.environ.get(SLOWDOWN_VARIABLE, "1"))
TICK_S = 0.02
_TRACED = "COVERAGE_RUN" in os.environ
_TRACING_SLOWDOWN = 4
_RESPONSIVE_SHARE = 0.3
_REPOSITORY = Path(__file__).resolve().parents[2]
_KIT = {"testing", "kit"}
"""The folders of tests that are published for others."""


@dataclass(frozen=True, kw_only=True)
class Stall:
    """One callback that blocked its loop, and where it was seen doing so."""

    duration_s: float
    stack: str

    def __str__(self) -> str:
        """Say how long, and where."""
        return f"the event loop stood still for {self.duration_s:.2f} s:\n{self.stack}"


@dataclass(kw_only=True)
class _Running:
    started_s: float
    cpu_started_s: float
    thread: int
    ticks: int = 0
    seen_s: float
    excused_s: float = 0.0
    queued_s: float | None = None
    frames: list[traceback.FrameSummary] = field(default_factory=list[traceback.FrameSummary])


class LoopWatch:
    """Times callbacks while installed; a thread looks at what the slow ones are doing."""

    def __init__(self, *, bound_s: float = BOUND_S) -> None:
        self._bound_s = bound_s
        self._running: dict[int, _Running] = {}
        self._stalls: list[Stall] = []
        self._closing = threading.Event()

    def take(self) -> list[Stall]:
        """Return the stalls seen since the last call."""
        stalls, self._stalls = self._stalls, []
        return stalls

    @contextmanager
    def installed(self) -> Generator[None]:
        """Watch every loop of the process within the block."""
        original = asyncio.Handle._run  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]
        watch = self

        def run(handle: asyncio.Handle) -> None:
            ident = threading.get_ident()
            outer = watch._running.get(ident)
            started_s = time.monotonic()
            now = _Running(
                started_s=started_s,
                seen_s=started_s,
                cpu_started_s=time.thread_time(),
                thread=threading.get_native_id(),
            )
            watch._running[ident] = now
            try:
                original(handle)
            finally:
                watch._finish(ident, now, outer)

        thread = threading.Thread(target=self._look, name="loop-watch", daemon=True)
        asyncio.Handle._run = run  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        thread.start()
        try:
            yield
        finally:
            asyncio.Handle._run = original  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            self._closing.set()
            thread.join()

    def _finish(self, ident: int, now: _Running, outer: _Running | None) -> None:
        if outer is None:
            self._running.pop(ident, None)
        else:
            self._running[ident] = outer
        duration_s = time.monotonic() - now.started_s
        if duration_s < self._bound_s:
            return
        if self._is_stall(now, duration_s):
            stack = "".join(traceback.format_list(now.frames)) or "(too short-lived to be seen)"
            self._stalls.append(Stall(duration_s=duration_s, stack=stack))

    def _is_stall(self, now: _Running, duration_s: float) -> bool:
        """Tell whether it computed for too long, or waited while the machine was otherwise responsive."""
        cpu_s = time.thread_time() - now.cpu_started_s
        queued_s = 0.0 if now.queued_s is None else _queued_s(now.thread) - now.queued_s
        own_s = duration_s - queued_s - now.excused_s
        if cpu_s >= own_s / 2:
            return min(cpu_s, own_s) >= self._bound_s * (_TRACING_SLOWDOWN if _TRACED else 1)
        return own_s >= self._bound_s and now.ticks * TICK_S >= duration_s * _RESPONSIVE_SHARE

    def _look(self) -> None:
        while not self._closing.wait(TICK_S):
            frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # the documented way to see them
            for ident, running in list(self._running.items()):
                if ident in frames:
                    _note(running, frames[ident])


def _note(running: _Running, frame: FrameType) -> None:
    """Add what a callback is seen doing; the time since it was last seen counts as spent on it."""
    now_s = time.monotonic()
    running.ticks += 1
    if running.queued_s is None:
        running.queued_s = _queued_s(running.thread)
    if now_s - running.started_s < TICK_S:
        return  # stacks cost something, and most callbacks are over
    since_s, running.seen_s = now_s - running.seen_s, now_s
    frames = _above_loop(frame)
    if _excused(frames):
        running.excused_s += since_s
    else:
        running.frames = frames


def _queued_s(thread: int) -> float:
    """Return how long a thread of ours has waited for a processor (Documentation/scheduler/sched-stats.rst)."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has ended, or this kernel does not count


def _above_loop(frame: FrameType) -> list[traceback.FrameSummary]:
    """Return the stack from the loop's callback inwards."""
    stack = traceback.extract_stack(frame)
    starts = [index for index, each in enumerate(stack) if each.filename == __file__]
    return list(stack[starts[-1] + 1 :]) if starts else list(stack)


def _excused(frames: list[traceback.FrameSummary]) -> bool:
    """Tell whether the stack is an import, the start of a thread, or a test that blocks its own loop."""
    if any("importlib._bootstrap" in frame.filename for frame in frames):
        return True
    if any(frame.filename == threading.__file__ and frame.name == "start" for frame in frames):
        return True
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(_REPOSITORY) and ".venv" not in path.parts:
            inner = path.relative_to(_REPOSITORY).parts
            return "src" not in inner or set(inner) >= _KIT
    return False
