"""Takes over from hosts that died or left, as soon as that is known."""

from __future__ import annotations

from devbench_core import metrics
from devbench_core.containers.context import Context
from devbench_core.containers.reconcile import Reconciler
from devbench_core.logs import get_logger

log = get_logger(__name__)


class Successor:
    """Adopts once for each host that died or left; what could not be looked at then, again at the next look.

    Several hosts may see it at once: each container and each command goes to whoever writes first.
    """

    def __init__(self, context: Context, reconciler: Reconciler) -> None:
        self._context = context
        self._reconciler = reconciler
        self._done: set[str] = set()
        self._alive: set[str] = set()
        self._left: set[str] = set()

    async def round(self) -> None:
        """Look for hosts that died or left, once."""
        hosts = await self._context.instances.all()
        self._done &= {
            host.id for host, lives in hosts if not lives
        }  # one that was only silent may fall silent again
        dead = {host.id for host, lives in hosts if not lives} - self._done
        self._left |= self._alive - {host.id for host, _ in hosts}
        self._alive = {host.id for host, lives in hosts if lives and host.serving}
        if not dead and not self._left:
            return
        log.warning("hosts.succeeded", dead=sorted(dead), left=sorted(self._left))
        report = await self._reconciler.run(reap=False)  # the rest is the leader's
        if not report.failed and not report.unknown:
            metrics.HOSTS_SUCCEEDED.labels("died").inc(len(dead))
            metrics.HOSTS_SUCCEEDED.labels("left").inc(len(self._left))
            self._done |= dead
            self._left.clear()
