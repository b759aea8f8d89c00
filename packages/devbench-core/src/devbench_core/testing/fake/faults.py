"""Faults of the calls of a contract: which, when, how often, before or after the call took effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, Literal, TypeVar, get_args

import attrs

from devbench_core.testing.fake.clock import FakeClock
from devbench_core.values import frozen

C = TypeVar("C", bound=str)
When = Literal["before", "after"]
"""Before the call takes effect, or after it: then what it did is done, and the caller never hears of it."""


@frozen
class Called(Generic[C]):
    """One call that was made, whatever became of it."""

    name: C
    arguments: tuple[object, ...] = ()


@attrs.define(eq=False, kw_only=True)
class Fault:
    """What happens to some calls, until it is withdrawn.

    Attributes:
        when: Before the call takes effect, or after.
        error: What it raises, if it does.
        delay_s: How long it takes on the fake clock.
        hangs: Whether it waits until it is released.
        passed_over: Calls that are still left alone.
        left: Calls that it still happens to; None for all.
    """

    when: When
    error: BaseException | None = None
    delay_s: float = 0.0
    hangs: bool = False
    passed_over: int = 0
    left: int | None = None
    _struck: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _released: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def reached(self) -> None:
        """Wait until a call has come to it."""
        await self._struck.wait()

    def release(self) -> None:
        """Let the calls that hang go on, and none hang any more."""
        self._released.set()

    def withdraw(self) -> None:
        """Let it happen to no further call, and let those that hang go on."""
        self.left = 0
        self.release()

    def meets(self) -> bool:
        """Count a call, and tell whether it is one of those that this happens to."""
        if self.passed_over:
            self.passed_over -= 1
            return False
        return self.left is None or self.left > 0

    async def strike(self, clock: FakeClock) -> None:
        """Happen to a call."""
        if self.left == 0:
            return  # another call that came beside it was the last
        if self.left is not None:
            self.left -= 1
        self._struck.set()
        if self.delay_s:
            await clock.sleep(self.delay_s)
        if self.hangs:
            await self._released.wait()
        if self.error is not None:
            raise self.error


class Faults(Generic[C]):
    """What happens to the calls of one fake, and which calls were made.

    Several faults of a call happen in the order in which they were asked for; one that raises lets the later ones wait
    for the next call.
    """

    def __init__(self, names: Any, clock: FakeClock) -> None:
        """Take the names of the calls, as a ``Literal``."""
        self.names: tuple[C, ...] = get_args(names)
        self.calls: list[Called[C]] = []
        self._clock = clock
        self._of: dict[C, list[Fault]] = {name: [] for name in self.names}

    def fail(
        self,
        call: C,
        error: BaseException,
        *,
        times: int | None = 1,
        after: int = 0,
        when: When = "before",
    ) -> Fault:
        """Let calls raise an error.

        Args:
            call: The name of the call.
            error: What they raise.
            times: How many of them; None for every one until it is withdrawn.
            after: How many of them are left alone first.
            when: ``after``: they do what they do, and the answer gets lost.

        Raises:
            ValueError: There is no such call; lists those there are.
        """
        return self._add(call, Fault(error=error, left=times, passed_over=after, when=when))

    def fail_all(self, error: BaseException) -> None:
        """Let every call raise an error, until `clear`."""
        for name in self.names:
            self.fail(name, error, times=None)

    def delay(
        self,
        call: C,
        seconds: float,
        *,
        times: int | None = 1,
        after: int = 0,
        when: When = "before",
    ) -> Fault:
        """Let calls take so long on the fake clock: `FakeClock.pass_s` moves it. See `fail` for the rest."""
        return self._add(call, Fault(delay_s=seconds, left=times, passed_over=after, when=when))

    def hang(self, call: C, *, times: int | None = 1, after: int = 0, when: When = "before") -> Fault:
        """Let calls wait until the fault is released, or they are cancelled. See `fail` for the rest."""
        return self._add(call, Fault(hangs=True, left=times, passed_over=after, when=when))

    def clear(self) -> None:
        """Withdraw every fault, and let what hangs go on."""
        for faults in self._of.values():
            for fault in faults:
                fault.withdraw()
            faults.clear()

    @contextmanager
    def failing(self, call: C, error: BaseException) -> Generator[None]:
        """Let a call fail for the length of a block."""
        fault = self.fail(call, error, times=None)
        try:
            yield
        finally:
            fault.withdraw()

    def count(self, call: C) -> int:
        """Return how often a call was made.

        Raises:
            ValueError: There is no such call; lists those there are.
        """
        self._known(call)
        return sum(called.name == call for called in self.calls)

    @asynccontextmanager
    async def on(self, call: C, *arguments: object) -> AsyncGenerator[None, None]:
        """Note a call, the block, and let its faults happen to it."""
        self.calls.append(Called(name=call, arguments=arguments))
        met = [fault for fault in self._known(call) if fault.meets()]
        for fault in met:
            if fault.when == "before":
                await fault.strike(self._clock)
        yield
        for fault in met:
            if fault.when == "after":
                await fault.strike(self._clock)

    def _add(self, call: C, fault: Fault) -> Fault:
        self._known(call).append(fault)
        return fault

    def _known(self, call: C) -> list[Fault]:
        try:
            return self._of[call]
        except KeyError:
            raise ValueError(f"there is no call {call!r}; there are: {', '.join(self.names)}") from None
