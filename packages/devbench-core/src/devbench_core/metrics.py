"""Metrics, in a registry of devbench's own so that embedding programs keep theirs clean.

They are kept by prometheus_client, which costs the start of a short command more than all it counts is worth: so it is
imported when somebody asks for the registry, as a host that stays does when it is opened. What is counted before that
is written down, and made up for then.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

WRITTEN_DOWN_MAX = 1000
"""What a metric may have counted before it is made: more is counted by no short command."""

_lock = threading.RLock()  # a host makes them in a thread, while its loop counts
_metrics: list[Metric] = []
_made: list[CollectorRegistry] = []


class Metric:
    """A metric that is made when it is asked for.

    Args:
        kind: The class of prometheus_client: Counter, Gauge or Histogram.
        name: Its name.
        text: A sentence about it.
        labels: The names of its labels.
    """

    def __init__(self, kind: str, name: str, text: str, labels: tuple[str, ...] = ()) -> None:
        self._declared = (kind, name, text, labels)
        self._real: Any = None
        self._written_down = deque[Callable[[Any], None]]()
        with _lock:
            _metrics.append(self)
            if _made:
                self.make(_made[0])

    def labels(self, *values: str, **labels: str) -> Child:
        """Return the one with these labels: values in the order of declaration, or by name."""
        return Child(self, lambda metric: metric.labels(*values, **labels))

    def inc(self, amount: float = 1) -> None:
        """Count up."""
        self.do(lambda metric: metric.inc(amount))

    def dec(self, amount: float = 1) -> None:
        """Count down."""
        self.do(lambda metric: metric.dec(amount))

    def set(self, value: float) -> None:
        """Set a gauge."""
        self.do(lambda metric: metric.set(value))

    def observe(self, amount: float) -> None:
        """Add to a histogram."""
        self.do(lambda metric: metric.observe(amount))

    def do(self, change: Callable[[Any], None]) -> None:
        """Change the metric, now or when it is made."""
        if self._real is None:
            with _lock:
                if self._real is None:
                    self._written_down.append(change)
                    if len(self._written_down) >= WRITTEN_DOWN_MAX:
                        registry()
                    return
        change(self._real)

    def make(self, registry: CollectorRegistry) -> None:
        """Make it, and do what was written down."""
        import prometheus_client

        kind, name, text, labels = self._declared
        real = getattr(prometheus_client, kind)(name, text, labels, registry=registry)
        while self._written_down:
            self._written_down.popleft()(real)
        self._real = real


class Child:
    """A metric with its labels."""

    def __init__(self, metric: Metric, of: Callable[[Any], Any]) -> None:
        self._metric = metric
        self._of = of

    def inc(self, amount: float = 1) -> None:
        """Count up."""
        self._metric.do(lambda metric: self._of(metric).inc(amount))

    def set(self, value: float) -> None:
        """Set a gauge."""
        self._metric.do(lambda metric: self._of(metric).set(value))

    def observe(self, amount: float) -> None:
        """Add to a histogram."""
        self._metric.do(lambda metric: self._of(metric).observe(amount))


def registry() -> CollectorRegistry:
    """Return the registry with all metrics; at first this imports prometheus_client, so not on an event loop."""
    with _lock:
        if not _made:
            from prometheus_client import CollectorRegistry

            made = CollectorRegistry()
            for metric in _metrics:
                metric.make(made)
            _made.append(made)
    return _made[0]


IMAGE_CACHE = Metric(
    "Counter", "devbench_image_cache", "Image resolutions answered from the cache or not.", ("result",)
)
SPAWNS = Metric("Counter", "devbench_spawns", "Spawns by their outcome.", ("outcome",))
SPAWN_SECONDS = Metric("Histogram", "devbench_spawn_seconds", "Time of successful spawns.")
CONTAINERS_ENDED = Metric("Counter", "devbench_containers_ended", "Ended containers by reason.", ("reason",))
EXECS_ENDED = Metric("Counter", "devbench_execs_ended", "Ended commands by reason.", ("reason",))
EXECS_RUNNING = Metric("Gauge", "devbench_execs_running", "Commands that run now on this host.")
EXECS_QUEUED = Metric(
    "Gauge", "devbench_execs_queued", "Commands that wait on this host for another one to end."
)
LEADER = Metric("Gauge", "devbench_leader", "1 while this host does the work of its whole installation.")
LEADER_ROUNDS = Metric(
    "Counter",
    "devbench_leader_rounds",
    "Rounds of that work by their outcome: done, failed (in part), lost (with the lease).",
    ("outcome",),
)
DELETIONS = Metric(
    "Counter",
    "devbench_deletions",
    "What was removed for good, by the setting or the reason that asked for it.",
    ("reason",),
)
HOSTS_SUCCEEDED = Metric(
    "Counter",
    "devbench_hosts_succeeded",
    "Hosts that this one saw go, by why: they died, or left in order (left).",
    ("why",),
)
FORWARDED_CALLS = Metric(
    "Counter",
    "devbench_forwarded_calls",
    "Calls that this host handed to another, by outcome: answered, that host was gone, or timeout.",
    ("outcome",),
)
EVENTS = Metric("Counter", "devbench_events", "Events by name.", ("name",))
TOOL_CALLS = Metric(
    "Counter",
    "devbench_tool_calls",
    "Tool calls by tool and error code (ok for none).",
    ("tool", "code"),
)
POOL_READY = Metric(
    "Gauge", "devbench_pool_ready", "Warm containers that this host keeps ready, by pool.", ("pool",)
)
POOL_CLAIMS = Metric(
    "Counter",
    "devbench_pool_claims",
    "Spawns on this host that fit a pool, by whether one waited (hit) or none did (miss).",
    ("pool", "result"),
)
POOL_FILL_SECONDS = Metric(
    "Histogram", "devbench_pool_fill_seconds", "Time to make a warm container.", ("pool",)
)
POOL_REMOVED = Metric(
    "Counter",
    "devbench_pool_removed",
    "Warm containers removed unused, by pool and reason.",
    ("pool", "reason"),
)
POOL_FAILURES = Metric(
    "Counter", "devbench_pool_failures", "Failed attempts to fill a pool, by error code.", ("pool", "code")
)
