"""Starts under way, each with all who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from devbench_core.errors import AgentUnavailable
from devbench_core.model.execution import Exec


@attrs.define(kw_only=True, eq=False)
class Flight:
    """A start under way.

    Attributes:
        fingerprint: Of what is asked for.
        done: Its outcome.
        task: Does it.
        waiting: How many wait for it.
        is_bound: Whether it goes on also when nobody waits any more.
    """

    fingerprint: str
    done: asyncio.Future[Exec]
    task: asyncio.Task[None] | None = None
    waiting: int = 0
    is_bound: bool = False


Work = Callable[[Flight], Awaitable[Exec]]


class Flights:
    """One flight for each name. It is given up when the last who waits goes away, unless it is bound by then."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[str, Flight] = {}

    def get(self, name: str) -> Flight | None:
        """Return the flight of a name."""
        return self._flights.get(name)

    def begin(self, name: str, fingerprint: str, work: Work) -> Flight:
        """Begin one; somebody must `join` it at once."""
        done: asyncio.Future[Exec] = asyncio.get_running_loop().create_future()
        flight = self._flights[name] = Flight(fingerprint=fingerprint, done=done)
        flight.task = self._tasks.create_task(self._fly(name, flight, work), name=f"start {name}")
        flight.task.add_done_callback(lambda _: _given_up(flight))
        return flight

    async def join(self, name: str, flight: Flight) -> Exec:
        """Wait for the outcome."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.done)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.is_bound:
                self._forget(name, flight)
                _cancel(flight)

    def close(self) -> None:
        """Give up what is not bound; the rest ends with its command's start."""
        for flight in list(self._flights.values()):
            if not flight.is_bound:
                _cancel(flight)

    async def _fly(self, name: str, flight: Flight, work: Work) -> None:
        try:
            flight.done.set_result(await work(flight))
        except Exception as error:  # noqa: BLE001 - raised again where somebody waits
            _fail(flight, error)
        finally:
            self._forget(name, flight)

    def _forget(self, name: str, flight: Flight) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]


def _cancel(flight: Flight) -> None:
    if flight.task is not None:
        flight.task.cancel()


def _given_up(flight: Flight) -> None:
    if not flight.done.done():
        _fail(flight, AgentUnavailable("this host is closing", hint="repeat the call with the same key"))


def _fail(flight: Flight, error: Exception) -> None:
    flight.done.set_exception(error)
    flight.done.exception()  # nobody may be left
