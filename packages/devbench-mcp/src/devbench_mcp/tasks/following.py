"""Follows a task for a client that listens: each time it stands elsewhere, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from devbench_core.errors import DevbenchError, NotFound
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_mcp.tasks.service import Tasks

log = get_logger(__name__)
LOOK_S = 30.0
"""One wait for news; how long does not matter, it is begun again."""
RETRY_S = 2.0
"""After the store or the agent failed."""
Publish = Callable[[dict[str, Any]], None]


async def follow(
    tasks: Tasks, task_id: str, caller: Caller, version: str, every_s: float, publish: Publish
) -> None:
    """Publish a task as ``tasks/get`` tells it, now and whenever that is something else; return at its end.

    Args:
        tasks: Has it.
        task_id: Which.
        caller: Whose.
        version: The protocol's, of the client.
        every_s: The least time between two of a task that goes on.
        publish: Told; does not wait.
    """
    last: dict[str, Any] | None = None
    seen: object = None
    while True:
        try:
            seen = seen if last is None else await tasks.news(task_id, caller, seen, LOOK_S)
            view = await tasks.get(task_id, caller, version)
        except NotFound:
            return  # it was forgotten
        except DevbenchError as error:
            log.warning("task.following_failed", task=task_id, error=error.message)
            await asyncio.sleep(RETRY_S)
            continue
        except Exception:  # a store's own fault; an error here would end all tasks
            log.exception("task.following_failed", task=task_id)
            await asyncio.sleep(RETRY_S)
            continue
        now = view.detailed()
        if now != last:
            last = now
            publish(now)
        if view.status != "working":
            return
        await asyncio.sleep(every_s)
