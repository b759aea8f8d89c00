"""The lock flock for devbench."""

from devbench_lock_flock.plugin import plugin

__all__ = ["plugin"]
