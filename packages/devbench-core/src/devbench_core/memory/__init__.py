"""The built-in store and lock: in this process, for tests and for programs that need nothing to last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devbench_core.memory.plugin import plugin

if TYPE_CHECKING:
    from devbench_core.memory.lock import LocalLock
    from devbench_core.memory.store import MemoryStore

__all__ = ["LocalLock", "MemoryStore", "plugin"]


def __getattr__(name: str) -> object:
    if name == "LocalLock":
        from devbench_core.memory import lock

        return lock.LocalLock
    if name == "MemoryStore":
        from devbench_core.memory import store

        return store.MemoryStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
