"""What locks share whose leases are kept by a server: keeping a lease, losing it, waiting for one, giving it back."""

from devbench_core.leases.keeper import Keeper
from devbench_core.leases.lock import LeasedLock

__all__ = ["Keeper", "LeasedLock"]
