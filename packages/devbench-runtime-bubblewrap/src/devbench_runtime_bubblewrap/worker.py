"""Blocking work in a few threads of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from devbench_core.errors import EngineFailed
from devbench_runtime_bubblewrap.folders import NO_SPACE

T = TypeVar("T")


class Worker:
    """Runs functions in threads and waits for them, also when the waiting is cancelled."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="bubblewrap")

    async def do(self, function: Callable[[], T]) -> T:
        """Run a function.

        A cancelled call still waits for its function, so that nothing changes on disk after the call is over; a second
        cancellation does not.

        Raises:
            EngineFailed: The operating system refused something; ``reason`` is ``no_space`` when the disk is full.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pool, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with suppress(Exception):
                await future
            raise
        except OSError as error:
            raise _failure(error) from error

    def close(self) -> None:
        """Let the threads end; returns at once."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _failure(error: OSError) -> EngineFailed:
    message = f"bubblewrap: {error.strerror or error}: {error.filename or ''}".rstrip(": ")
    if error.errno not in NO_SPACE:
        return EngineFailed(message, hint="see devbench doctor")
    hint = "free some space beneath plugin.bubblewrap.folder"
    return EngineFailed(message, hint=hint, details={"reason": "no_space"})
