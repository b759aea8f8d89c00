"""The lock keeps the contract of locks."""

from devbench_core.testing.kit import LockContract


class TestRedisLock(LockContract):
    """On a server of our own; the fixture ``lock`` is in conftest.py."""
