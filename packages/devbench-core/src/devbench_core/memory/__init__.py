"""The built-in store and lock: in this process, for tests and for programs that need nothing to last."""

from devbench_core.memory.lock import LocalLock
from devbench_core.memory.plugin import plugin
from devbench_core.memory.store import MemoryStore

__all__ = ["LocalLock", "MemoryStore", "plugin"]
