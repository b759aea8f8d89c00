"""The hooks. A hook answers "who has something to add, or an objection?": synchronous, in memory, no I/O.

A plugin is an object (usually a module or an instance) with methods marked by `hookimpl`, named by an entry
point of the group ``devbench.v1``. A coroutine function as an implementation is refused at registration,
because pluggy would never await it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pluggy

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.store import Store
from devbench_core.model.event import Event, Request, Veto
from devbench_core.tool import Tool

if TYPE_CHECKING:
    from devbench_core.bench import Bench
    from devbench_core.contracts.scanner import Scanner

__all__ = ["HookSpecs", "Lifespan", "hookimpl"]

PROJECT = "devbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Lifespan = Callable[["Bench"], AbstractAsyncContextManager[None]]


class HookSpecs:
    """All hooks, typed; implementations have the same names and argument names."""

    @hookspec
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer runtimes. Called once, at composition."""
        raise NotImplementedError

    @hookspec
    def devbench_stores(self) -> Sequence[Provider[Store]]:
        """Offer state stores. Called once, at composition."""
        raise NotImplementedError

    @hookspec
    def devbench_locks(self) -> Sequence[Provider[Lock]]:
        """Offer locks. Called once, at composition."""
        raise NotImplementedError

    @hookspec
    def devbench_scanners(self) -> Sequence[Provider[Scanner]]:
        """Offer image scanners. Called once, at composition."""
        raise NotImplementedError

    @hookspec
    def devbench_tools(self) -> Sequence[Tool]:
        """Offer tools to clients. Called once, at composition."""
        raise NotImplementedError

    @hookspec
    def devbench_lifespans(self) -> Sequence[Lifespan]:
        """Offer background work: each is entered after state was reconciled and left before doors close."""
        raise NotImplementedError

    @hookspec
    def devbench_review(self, request: Request) -> Veto | None:
        """Object to an operation before it happens. The first veto wins; an exception refuses as well."""
        raise NotImplementedError

    @hookspec
    def devbench_event(self, event: Event) -> None:
        """Observe what happened. Each observer is isolated: one that raises is logged, the others still hear."""
        raise NotImplementedError
