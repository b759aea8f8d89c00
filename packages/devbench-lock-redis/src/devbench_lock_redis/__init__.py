"""Locks that hosts on several machines share, on Redis."""

from devbench_lock_redis.plugin import plugin

__all__ = ["plugin"]
