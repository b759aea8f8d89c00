"""Runs a command's coroutine: logging, signals, the backend, and errors that come out as themselves."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import click

from devbench_cli.backends.protocol import Backend
from devbench_cli.failures import EXIT_TERMINATED
from devbench_cli.options import Options, options_of

T = TypeVar("T")
Work = Callable[[Backend, Options], Awaitable[T]]


def run_with_backend(ctx: click.Context, work: Work[T]) -> T:
    """Open the backend, do the work, close it, and return what the work gave."""
    options = options_of(ctx)

    async def whole() -> T:
        from devbench_cli.backends.opening import open_backend

        async with open_backend(options) as backend:
            _started()
            done = await _outcome(work(backend, options))
        return done()

    return _run(options, whole())


def run(options: Options, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as the whole of a command.

    SIGTERM cancels it, so that it can clean up; Ctrl-C does so as well and raises KeyboardInterrupt.
    """
    _started()
    return _run(options, work)


def _started() -> None:
    """Collect garbage from here on, without looking again and again at what the start has made and what stays."""
    gc.freeze()
    gc.enable()


def _run(options: Options, work: Coroutine[Any, Any, T]) -> T:
    from devbench_core.logs import configure

    configure(options.log_level)
    return asyncio.run(_terminable(work))


async def _terminable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        if task is not None:
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work
    except asyncio.CancelledError:
        if terminated:
            raise click.exceptions.Exit(EXIT_TERMINATED) from None
        raise


async def _outcome(work: Awaitable[T]) -> Callable[[], T]:
    """Hold an error back until the backend is closed: task groups in between would wrap it in a group."""
    try:
        value = await work
    except Exception as error:  # noqa: BLE001 - raised again as it is once the backend is closed
        held = error

        def fail() -> T:
            raise held

        return fail
    return lambda: value
